/* SPDX-License-Identifier: Apache-2.0 */
/* What a task sends beside its successors: errbacks when it fails, a canvas in its place, canvases beside its result. */
#include "canvas_support.h"
#include "core/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- errbacks, old and new ---- */

static void assert_args(const struct message *m, const char *expected)
{
        json_t *body = json_loadb((const char *)m->body.data, m->body.size, 0, NULL), *args = parse(expected);
        assert_json(json_array_get(body, 0), args, "args");
        json_decref(body);
        json_decref(args);
}

static const char request[] = "{\"id\":\"i\",\"task\":\"t\",\"args\":[1],\"kwargs\":{\"k\":2},\"root_id\":\"i\","
                              "\"parent_id\":null,\"group\":null,\"group_index\":null,\"retries\":0,\"origin\":null,"
                              "\"reply_to\":null,\"correlation_id\":null,\"hostname\":\"w\"}";

static void errbacks_are_told_what_they_ask_for(void **state)
{
        (void)state;
        char all[1024], chained[64] = "[\"i\"]";
        struct canvas_given g;
        struct following out;
        struct problem why = { 0 };
        snprintf(all, sizeof(all), "[%s," CANVAS_EXCEPTION ",\"T\",5]", request);
        give(&g, "errbacks",
             json_pack("[{s:s, s:[i]}, {s:s}, {s:s, s:[i], s:b}, o]", "task", "known.new", "args", 5, "task", "known",
                       "task", "known.new", "args", 6, "immutable", 1,
                       canvas("chain", json_pack("[{s:s}]", "task", "known.new"))));
        assert_int_equal(task_message_errbacks(&g.task, &canvas_failure, &canvas_how, &out, &why), 0);
        const struct message *m = out.messages;
        assert_args(m, all);
        assert_args(m->next, "[6]"); /* as Celery: those that it calls itself come first */
        assert_args(m->next->next, "[\"i\"]");
        assert_args(m->next->next->next, chained);
        assert_int_equal(count_and_clear(&out), 4);
        take_back(&g);
}

/* JSON with ' for ". New reference. */
static json_t *from_quoted(const char *text)
{
        char json[512];
        size_t i = 0;
        for (; text[i] && i + 1 < sizeof(json); i++)
                json[i] = text[i] == '\'' ? '"' : text[i];
        json[i] = '\0';
        return json_loads(json, JSON_DECODE_ANY, NULL);
}

/* What is linked to a group takes the place of what is linked to its tasks, as when Celery sends it; what is linked to a chord joins it where its
 * body is such a group. */
static void a_group_hands_its_links_to_its_tasks(void **state)
{
        (void)state;
        static const struct {
                const char *callback, *errbacks;
        } rows[] = {
                { "{'task':'celery.group','subtask_type':'group','kwargs':{'tasks':[{'task':'known','options':"
                  "{'link_error':[{'task':'own'}]}}]},'options':{'link_error':{'task':'a'}}}",
                  "[{'task':'a'}]" },
                { "{'task':'celery.group','subtask_type':'group','kwargs':{'tasks':[{'task':'known','options':"
                  "{'link_error':[{'task':'own'}]}}]},'options':{'link_error':null}}",
                  "[{'task':'own'}]" },
                { "{'task':'celery.chord','subtask_type':'chord','kwargs':{'header':[],'body':{'task':'celery.group',"
                  "'subtask_type':'group','kwargs':{'tasks':[{'task':'known'}]},'options':{'link_error':[{'task':'a'}]}"
                  "}},'options':{'link_error':[{'task':'b'}]}}",
                  "[{'task':'a'},{'task':'b'}]" },
                { "{'task':'celery.chord','subtask_type':'chord','kwargs':{'header':[{'task':'known'}],'body':"
                  "{'task':'known'}},'options':{'link_error':[{'task':'b'}]}}",
                  "null" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct canvas_given g;
                struct following out;
                struct problem why = { 0 };
                give(&g, "callbacks", json_pack("[o]", from_quoted(rows[i].callback)));
                assert_int_equal(task_message_successors(&g.task, bytes_of_string("1"), &canvas_how, &out, &why), 0);
                json_t *body = json_loadb((const char *)out.messages->body.data, out.messages->body.size, 0, NULL);
                json_t *expected = from_quoted(rows[i].errbacks);
                assert_true(json_equal(json_object_get(json_array_get(body, 2), "errbacks"), expected));
                json_decref(expected);
                json_decref(body);
                assert_int_equal(count_and_clear(&out), 1);
                take_back(&g);
        }
}

/* What is linked to a chain stands as the group's own where a group ends it, so that each of its tasks calls it. */
static void a_chain_hands_its_links_to_the_group_at_its_end(void **state)
{
        (void)state;
        struct canvas_given g;
        struct following out;
        struct problem why = { 0 };
        give(&g, "callbacks",
             json_pack("[o]",
                       from_quoted("{'task':'celery.chain','subtask_type':'chain','kwargs':{'tasks':[{'task':'known'},"
                                   "{'task':'celery.group','subtask_type':'group','kwargs':{'tasks':[{'task':'known'},"
                                   "{'task':'known'}]}}]},'options':{'link':[{'task':'l'}]}}")));
        assert_int_equal(task_message_successors(&g.task, bytes_of_string("1"), &canvas_how, &out, &why), 0);
        json_t *body = json_loadb((const char *)out.messages->body.data, out.messages->body.size, 0, NULL);
        const json_t *group = json_array_get(json_object_get(json_array_get(body, 2), "chain"), 0);
        json_t *links = json_object_get(json_object_get(group, "options"), "link"),
               *expected = from_quoted("[{'task':'l'}]");
        assert_true(json_equal(links, expected));
        json_decref(expected);
        json_decref(body);
        assert_int_equal(count_and_clear(&out), 1);
        take_back(&g);
}

static void assert_id(const struct message *m, char out[ID_TEXT_SIZE])
{
        struct properties p;
        struct header h;
        struct bytes text;
        assert_int_equal(properties_read(m->properties, &p, NULL), 0);
        assert_true(header_find(p.headers, "id", &h) && header_text(&h, &text) && text.size == ID_TEXT_SIZE - 1);
        memcpy(out, text.data, text.size);
        out[text.size] = '\0';
}

/* The ids of errbacks are derived from whose they are, and from the death that it was brought back from. */
static void errbacks_are_those_of_a_task_and_a_death(void **state)
{
        (void)state;
        static const struct {
                const char *owner, *revived;
                bool own; /* the errbacks of the task itself, or of a body with that id */
        } rows[] = { { "i", NULL, true },  { "i", "d1", true },  { "i", "d2", true },
                     { "b", NULL, false }, { "b", "d1", false }, { "c", NULL, false } };
        enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
        char ids[2][2 * ROWS][ID_TEXT_SIZE];
        for (size_t i = 0; i < 2 * ROWS; i++) {
                struct canvas_given g;
                struct following out;
                struct problem why = { 0 };
                json_t *errbacks = json_pack("[{s:s}, o]", "task", "known",
                                             canvas("chain", json_pack("[{s:s}]", "task", "known")));
                json_t *body = json_pack("{s:s, s:{s:s, s:O}}", "task", "known", "options", "task_id",
                                         rows[i % ROWS].owner, "link_error", errbacks);
                give(&g, "errbacks", errbacks);
                g.task.revived = rows[i % ROWS].revived;
                if (rows[i % ROWS].own)
                        assert_int_equal(task_message_errbacks(&g.task, &canvas_failure, &canvas_how, &out, &why), 0);
                else
                        assert_int_equal(task_message_unjoined(&g.task, body, &canvas_failure, &canvas_how, &out, &why),
                                         0);
                assert_id(out.messages, ids[0][i]);
                assert_id(out.messages->next, ids[1][i]);
                assert_int_equal(count_and_clear(&out), 2);
                json_decref(body);
                take_back(&g);
        }
        for (size_t i = 0; i < 2 * ROWS; i++)
                for (size_t k = 0; k < 2 * ROWS; k++) {
                        assert_int_equal(strcmp(ids[0][i], ids[0][k]) == 0, i % ROWS == k % ROWS);
                        assert_int_equal(strcmp(ids[1][i], ids[1][k]) == 0, i % ROWS == k % ROWS);
                        assert_string_not_equal(ids[0][i], ids[1][k]);
                }
}

/* ---- who goes on in a task's place ---- */

static bool only_known_ones_keep(const char *name, bool heir, void *arg)
{
        (void)arg;
        return strncmp(name, "known", 5) == 0 || (heir && strcmp(name, "celery.accumulate") == 0);
}

static bool is_marked(const struct message *m)
{
        struct properties p;
        struct header h;
        assert_int_equal(properties_read(m->properties, &p, NULL), 0);
        return header_find(p.headers, "chard_heir", &h) && h.kind == 't' && h.value.data[0];
}

/* Its row in the store is that of whoever gives its result; of a task that has no row there is none to go on in. */
static void an_heir_keeps_state_where_the_task_does(void **state)
{
        (void)state;
        static const struct {
                const char *task, *canvas;
                bool marked; /* the first message; of a chord, the body's, once it is joined */
                unsigned branches;
        } rows[] = {
                { "known", "{\"task\": \"known.other\"}", true, 1 },
                { "known", "{\"task\": \"known.other\", \"options\": {\"headers\": {\"mine\": 1}}}", true, 1 },
                { "t", "{\"task\": \"known.other\"}", false, 1 },
                { "known",
                  "{\"task\": \"celery.group\", \"subtask_type\": \"group\", \"kwargs\": {\"tasks\": [{\"task\": \"known.a\"}]}}",
                  true, 2 },
                { "t",
                  "{\"task\": \"celery.group\", \"subtask_type\": \"group\", \"kwargs\": {\"tasks\": [{\"task\": \"known.a\"}]}}",
                  false, 1 },
        };
        struct follow_how counting = canvas_how;
        counting.keeps = only_known_ones_keep;
        counting.queue = "q";
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct canvas_given g;
                struct following out = { 0 }, joined = { 0 };
                struct problem why = { 0 };
                struct buffer result = { 0 };
                json_t *canvas = parse(rows[i].canvas), *body = NULL, *sends;
                const bool is_group = json_object_get(canvas, "subtask_type") != NULL;
                sends = json_pack("[{s:s, s:o}]", "as", "replacement", "canvas", canvas);
                give(&g, "chain", json_null());
                g.task.name = rows[i].task;
                if (task_message_sends(&g.task, sends, &counting, &result, &out, &why) != 0)
                        fail_msg("row %zu: %s", i, why.text);
                assert_int_equal(out.branches, rows[i].branches);
                if (is_group) {
                        body = json_loadb((const char *)out.messages->body.data, out.messages->body.size, 0, NULL);
                        assert_false(is_marked(out.messages));
                        assert_int_equal(task_message_joined(&g.task, json_object_get(json_array_get(body, 2), "chord"),
                                                             bytes_of_string("[1]"), &counting, &joined, &why),
                                         0);
                }
                if (is_marked(is_group ? joined.messages : out.messages) != rows[i].marked)
                        fail_msg("row %zu: %smarked", i, rows[i].marked ? "not " : "");
                json_decref(body);
                json_decref(sends);
                following_clear(&out);
                following_clear(&joined);
                take_back(&g);
        }
}

/* ---- canvases that a task sends on ---- */

static void what_is_sent_on_and_said_of_it(void **state)
{
        (void)state;
        static const struct {
                const char *canvas, *result;
                size_t messages;
        } rows[] = {
                { "{\"task\":\"celery.group\",\"subtask_type\":\"group\",\"options\":{\"task_id\":\"g\"},\"kwargs\":{\"tasks\":"
                  "[{\"task\":\"known\",\"options\":{\"task_id\":\"a\"}},{\"task\":\"known\",\"options\":{\"task_id\":\"b\"}}]}}",
                  "[[\"g\", null], [[[\"a\", null], null], [[\"b\", null], null]]]", 2 },
                { "{\"task\":\"celery.chord\",\"subtask_type\":\"chord\",\"options\":{\"task_id\":\"g\"},\"kwargs\":{\"header\":"
                  "[{\"task\":\"known\",\"options\":{\"task_id\":\"a\"}}],\"body\":{\"task\":\"known\",\"options\":{\"task_id\":"
                  "\"b\"}}}}",
                  "[[\"b\", [[\"g\", null], [[[\"a\", null], null]]]], null]", 1 },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct canvas_given g;
                struct following out;
                struct problem why = { 0 };
                struct buffer result = { 0 };
                json_t *sent = parse(rows[i].canvas), *expected = parse(rows[i].result);
                give(&g, "callbacks", json_pack("[{s:s}]", "task", "known"));
                json_t *sends = json_pack("[{s:s, s:O}]", "as", "result", "canvas", sent);
                assert_int_equal(task_message_sends(&g.task, sends, &canvas_how, &result, &out, &why), 0);
                json_decref(sends);
                json_t *said = json_loadb((const char *)result.data, result.size, 0, NULL);
                assert_json(said, expected, "result");
                assert_int_equal(json_array_size(out.children), 2); /* the canvas, and the callback */
                assert_int_equal(count_and_clear(&out), rows[i].messages + 1);
                json_decref(said);
                json_decref(sent);
                json_decref(expected);
                buffer_free(&result);
                take_back(&g);
        }
}

/* ---- branches ---- */

static const char *a_queue(const char *name, void *arg)
{
        (void)name;
        (void)arg;
        return "q";
}

static bool keeps_kept(const char *name, bool heir, void *arg)
{
        (void)arg;
        return heir || strstr(name, "kept") != NULL;
}

#define T(name)             "{\"task\":\"" name "\",\"options\":{}}"
#define WITH(name, options) "{\"task\":\"" name "\",\"options\":{" options "}}"
#define GROUP(tasks) \
        "{\"task\":\"celery.group\",\"subtask_type\":\"group\",\"kwargs\":{\"tasks\":[" tasks "]},\"options\":{}}"

static void a_chain_goes_on_with_what_keeps_state(void **state)
{
        (void)state;
        static const struct follow_how counting = { .queue_of = a_queue, .keeps = keeps_kept };
        static const struct {
                const char *label, *chain; /* the last one first */
                bool heard;
        } rows[] = {
                { "nothing", "[]", false },
                { "one that keeps none", "[" T("a") "]", false },
                { "one that does", "[" T("kept") "]", true },
                { "one behind others", "[" T("kept") "," T("a") "," T("b") "]", true },
                { "one before others", "[" T("a") "," T("b") "," T("kept") "]", true },
                { "one in a group", "[" GROUP(T("a") "," T("kept")) "," T("b") "]", true },
                { "a group of none", "[" GROUP(T("a") "," T("b")) "]", false },
                { "one that is linked", "[" WITH("a", "\"link\":[" T("kept") "]") "]", true },
                { "one that gives the result of another", "[" WITH("a", "\"headers\":{\"chard_heir\":true}") "]",
                  true },
                { "no signature", "[1]", false },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                json_t *chain = json_loads(rows[i].chain, 0, NULL);
                assert_non_null(chain);
                const bool heard = chain_is_heard(chain, &counting);
                json_decref(chain);
                if (heard != rows[i].heard)
                        fail_msg("%s: %d", rows[i].label, heard);
        }
        assert_false(chain_is_heard(NULL, &counting));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(errbacks_are_told_what_they_ask_for),
                cmocka_unit_test(errbacks_are_those_of_a_task_and_a_death),
                cmocka_unit_test(a_group_hands_its_links_to_its_tasks),
                cmocka_unit_test(a_chain_hands_its_links_to_the_group_at_its_end),
                cmocka_unit_test(an_heir_keeps_state_where_the_task_does),
                cmocka_unit_test(what_is_sent_on_and_said_of_it),
                cmocka_unit_test(a_chain_goes_on_with_what_keeps_state),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
