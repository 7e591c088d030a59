/* SPDX-License-Identifier: Apache-2.0 */
/* Canvases that nobody would write: too long, too deep, of wrong types everywhere. Each gets an answer, and none leaves anything behind
 * (the tests run under AddressSanitizer). What canvases become when all is well is compared with a real worker's in tests/e2e. */
#include "core/id.h"
#include "core/json.h"
#include "message_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *known_queue(const char *name, void *arg)
{
        (void)arg;
        return strncmp(name, "known", 5) == 0 ? "known.queue" : NULL;
}

static bool wants_failure(const char *name, void *arg)
{
        (void)arg;
        return strcmp(name, "known.new") == 0;
}

static const struct follow_how how = {
        .queue_of = known_queue, .now_ms = 1800000000000, .chords = true, .wants_failure = wants_failure
};
static const char exception[] = "{\"exc_type\":\"E\"}";
static const struct failure_told failure = { .exception = { (const unsigned char *)exception, sizeof(exception) - 1 },
                                             .traceback = "T",
                                             .worker = "w" };

/* A task with this value under `key` of its embed. */
struct given {
        struct arena arena;
        struct made made;
        struct task_message task;
};

/* False when the decoder refuses it. */
static bool try_to_give(struct given *g, const char *key, json_t *takes_value)
{
        *g = (struct given){ 0 };
        json_t *body = json_pack("[[i], {s:i}, {s:o}]", 1, "k", 2, key, takes_value);
        struct buffer text = { 0 };
        struct problem why = { 0 };
        json_write(body, &text);
        buffer_add_byte(&text, '\0');
        assert_false(text.failed);
        g->made = make_task((struct bytes){ NULL, 0 }, (const char *)text.data);
        const int rc = task_message_decode(&g->arena, buffer_view(&g->made.properties), buffer_view(&g->made.body),
                                           LARGEST_BODY, &g->task, &why);
        json_decref(body);
        buffer_free(&text);
        assert_true(rc == 0 || strstr(why.text, "nested deeper"));
        return rc == 0;
}

static void give(struct given *g, const char *key, json_t *takes_value)
{
        assert_true(try_to_give(g, key, takes_value));
}

static void take_back(struct given *g)
{
        task_message_clear(&g->task);
        made_free(&g->made);
        arena_free(&g->arena);
}

static size_t count_and_clear(struct following *f)
{
        size_t count = 0;
        for (const struct message *m = f->messages; m; m = m->next)
                count++;
        following_clear(f);
        return count;
}

static json_t *task(const char *name)
{
        return json_pack("{s:s, s:[], s:{}, s:{}}", "task", name, "args", "kwargs", "options");
}

static json_t *many(size_t count)
{
        json_t *tasks = json_array();
        for (size_t i = 0; i < count; i++)
                json_array_append_new(tasks, json_pack("{s:s, s:{s:s}}", "task", "known", "options", "task_id", "i"));
        return tasks;
}

static json_t *canvas(const char *type, json_t *takes_tasks)
{
        return json_pack("{s:s, s:[], s:{s:o}, s:{}, s:s}", "task", "celery.x", "args", "kwargs", "tasks", takes_tasks,
                         "options", "subtask_type", type);
}

static json_t *chord(json_t *takes_header, json_t *takes_body)
{
        return json_pack("{s:s, s:[], s:{s:o, s:o}, s:{}, s:s}", "task", "celery.chord", "args", "kwargs", "header",
                         takes_header, "body", takes_body, "options", "subtask_type", "chord");
}

/* ---- long ---- */

static void ten_thousand(void **state)
{
        (void)state;
        enum { MANY = 10000 };
        const struct {
                const char *what, *key;
                json_t *value;
                size_t messages;
        } rows[] = {
                { "a chain", "chain", many(MANY), 1 },
                { "a chain as callback", "callbacks", json_pack("[o]", canvas("chain", many(MANY))), 1 },
                { "callbacks", "callbacks", many(MANY), MANY },
                { "a group", "callbacks", json_pack("[o]", canvas("group", many(MANY))), MANY },
                { "a header", "callbacks", json_pack("[o]", chord(many(MANY), task("known"))), MANY },
                { "a body", "callbacks", json_pack("[o]", chord(many(1), canvas("chain", many(MANY)))), 1 },
                { "links", "callbacks", json_pack("[{s:s, s:{s:o}}]", "task", "known", "options", "link", many(MANY)),
                  1 },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct given g;
                struct following out;
                struct problem why = { 0 };
                give(&g, rows[i].key, rows[i].value);
                if (task_message_check(&g.task, &how, &why) != 0 ||
                    task_message_successors(&g.task, bytes_of_string("1"), &how, &out, &why) != 0)
                        fail_msg("%s: %s", rows[i].what, why.text);
                assert_int_equal(count_and_clear(&out), rows[i].messages);
                take_back(&g);
        }
}

static void what_is_abandoned_of_ten_thousand(void **state)
{
        (void)state;
        json_t *chain = many(10000), *rows = signatures_abandoned(chain);
        assert_int_equal(json_array_size(rows), 10000);
        json_decref(rows);
        json_decref(chain);
}

/* ---- deep ---- */

static json_t *nested(const char *type, unsigned depth)
{
        json_t *inner = task("known");
        for (unsigned i = 0; i < depth; i++) {
                if (strcmp(type, "header") == 0)
                        inner = chord(json_pack("[o, o]", inner, task("known")), task("known"));
                else if (strcmp(type, "body") == 0)
                        inner = chord(json_pack("[o]", task("known")), inner);
                else if (strcmp(type, "one header") == 0)
                        inner = chord(inner, task("known"));
                else
                        inner = canvas(type, json_pack("[o, o]", inner, task("known")));
        }
        return inner;
}

static void as_deep_as_it_may_be(void **state)
{
        (void)state;
        static const struct {
                const char *type;
                unsigned depth;
                bool fine;
        } rows[] = {
                { "group", 5, true },     { "group", 40, true },       { "group", 41, false },
                { "group", 100, false },  { "chain", 40, true },       { "chain", 41, false },
                { "chain", 100, false },  { "header", 5, true },       { "header", 41, false },
                { "header", 100, false }, { "body", 5, true },         { "body", 41, false },
                { "body", 100, false },   { "one header", 41, false }, { "one header", 100, false },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                static const char *const places[] = { "callbacks", "chain" };
                for (size_t k = 0; k < 2; k++) {
                        struct given g;
                        struct following out;
                        struct problem why = { 0 };
                        if (!try_to_give(&g, places[k], json_pack("[o]", nested(rows[i].type, rows[i].depth)))) {
                                assert_int_equal(rows[i].depth, 100);
                                take_back(&g);
                                continue;
                        }
                        const int checked = task_message_check(&g.task, &how, &why);
                        const int rc = task_message_successors(&g.task, bytes_of_string("1"), &how, &out, &why);
                        if ((rc == 0) != rows[i].fine || (checked == 0) != rows[i].fine)
                                fail_msg("%s %u deep: %d %d %s", rows[i].type, rows[i].depth, checked, rc, why.text);
                        if (rc)
                                assert_string_equal(why.code, "bad_signature");
                        count_and_clear(&out);
                        json_decref(signatures_abandoned(g.task.chain));
                        take_back(&g);
                }
        }
}

/* Chain, group, chain, group …: Celery's clients flatten none of it. */
static void turn_and_turn_about(void **state)
{
        (void)state;
        for (unsigned depth = 2; depth <= 100; depth += 7) {
                json_t *inner = task("known");
                for (unsigned i = 0; i < depth; i++)
                        inner = i % 2 ? canvas("group", json_pack("[o, o]", inner, task("known")))
                                      : canvas("chain", json_pack("[o, o]", task("known"), inner));
                struct given g;
                struct following out;
                struct problem why = { 0 };
                if (try_to_give(&g, "callbacks", json_pack("[o]", inner))) {
                        assert_int_equal(task_message_successors(&g.task, bytes_of_string("1"), &how, &out, &why),
                                         depth > 40);
                        count_and_clear(&out);
                }
                take_back(&g);
        }
}

/* ---- wrong types, everywhere ---- */

static const char everything[] =
        "{\"task\":\"celery.chain\",\"args\":[1],\"immutable\":false,\"subtask_type\":\"chain\","
        "\"options\":{\"task_id\":\"o\",\"link\":[{\"task\":\"known\"}],\"link_error\":[{\"task\":\"known.new\"}],"
        "\"stamped_headers\":[\"s\"],\"s\":[1],\"group_id\":\"g\",\"group_index\":1,\"chain\":[{\"task\":\"known\"}]},"
        "\"kwargs\":{\"tasks\":[{\"task\":\"known\",\"args\":[1],\"kwargs\":{\"a\":1},\"options\":{\"task_id\":\"a\","
        "\"queue\":\"q\",\"priority\":1,\"countdown\":1,\"expires\":9,\"time_limit\":1,\"headers\":{\"h\":1}},"
        "\"immutable\":true,\"subtask_type\":null},{\"task\":\"celery.chord\",\"subtask_type\":\"chord\","
        "\"options\":{\"task_id\":\"c\",\"link_error\":{\"task\":\"known\"}},\"kwargs\":{\"header\":{\"task\":"
        "\"celery.group\",\"subtask_type\":\"group\",\"kwargs\":{\"tasks\":[{\"task\":\"celery.starmap\",\"kwargs\":"
        "{\"task\":{\"task\":\"known\"},\"it\":[[1]]}},{\"task\":\"known\"}]},\"options\":{\"task_id\":\"h\"}},"
        "\"body\":{\"task\":\"celery.group\",\"subtask_type\":\"group\",\"kwargs\":{\"tasks\":[{\"task\":\"known\","
        "\"options\":{\"link_error\":[{\"task\":\"known.new\"}]}}]},\"options\":{\"task_id\":\"b\"}}}}]}}";

static const char *const wrong[] = { "null",
                                     "true",
                                     "false",
                                     "0",
                                     "-1",
                                     "7",
                                     "1e300",
                                     "\"\"",
                                     "\"x\"",
                                     "[]",
                                     "{}",
                                     "[[[]]]",
                                     "[{}, null]",
                                     "[1,[]]",
                                     "{\"task\":\"known\"}",
                                     "{\"task\":1,\"kwargs\":1,\"options\":1}" };

/* What a task sends is refused before its result is stored, or not at all. */
static void try_sends(const struct task_message *task, const json_t *signature)
{
        static const char *const all[] = { "beside", "result", "replacement" };
        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
                struct following out = { 0 };
                struct problem why = { 0 };
                struct buffer result = { 0 };
                json_t *sends = json_pack("[{s:s, s:O}]", "as", all[i], "canvas", signature);
                const int before = task_message_check_sends(task, sends, &how, &why);
                const int rc = before ? 0 : task_message_sends(task, sends, &how, &result, &out, &why);
                if (rc != 0)
                        fail_msg("as %s: %d before, %d after: %s", all[i], before, rc, why.text);
                count_and_clear(&out);
                json_decref(sends);
                buffer_free(&result);
        }
}

/* Whatever it is: an answer, the same one before the work as after it, and nothing left over. */
static void try_everywhere(const json_t *signature)
{
        struct given g;
        struct following out;
        struct problem checked = { 0 }, why = { 0 };
        give(&g, "callbacks", json_pack("[O]", signature));
        const int before = task_message_check(&g.task, &how, &checked);
        const int rc = task_message_successors(&g.task, bytes_of_string("1"), &how, &out, &why);
        if (rc < 0 || rc != before || (rc && (out.messages || out.chords || out.children)))
                fail_msg("%d before, %d after: %s / %s", before, rc, checked.text, why.text);
        if (rc)
                assert_true(*why.text && strcmp(why.source, "message") == 0);
        count_and_clear(&out);
        try_sends(&g.task, signature);
        assert_true(task_message_joined(&g.task, signature, bytes_of_string("[1]"), &how, &out, &why) >= 0);
        count_and_clear(&out);
        assert_true(task_message_unjoined(&g.task, signature, &failure, &how, &out, &why) >= 0);
        count_and_clear(&out);
        json_decref(signatures_abandoned(g.task.callbacks));
        take_back(&g);
}

/* Each value of an object or array in turn, the values in it as well. */
static void spoil(json_t *root, json_t *at)
{
        const char *key;
        json_t *value;
        size_t index;
        json_t *whole = json_copy(at);
        json_object_foreach(json_is_object(at) ? whole : NULL, key, value) {
                for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                        json_object_set_new(at, key, parse(wrong[i]));
                        try_everywhere(root);
                }
                json_object_set(at, key, value);
                spoil(root, value);
        }
        json_decref(whole);
        json_array_foreach(at, index, value) {
                json_incref(value);
                for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                        json_array_set_new(at, index, parse(wrong[i]));
                        try_everywhere(root);
                }
                json_array_set_new(at, index, value);
                spoil(root, value);
        }
}

static void every_value_of_every_wrong_type(void **state)
{
        (void)state;
        json_t *root = parse(everything);
        struct given g;
        struct problem why = { 0 };
        give(&g, "callbacks", json_pack("[O]", root));
        if (task_message_check(&g.task, &how, &why) != 0)
                fail_msg("%s", why.text);
        take_back(&g);
        spoil(root, root);
        json_decref(root);
}

static void every_member_left_out(void **state)
{
        (void)state;
        json_t *root = parse(everything), *stack = json_pack("[O]", root);
        while (json_array_size(stack) > 0) {
                const char *key;
                json_t *value, *at = json_incref(json_array_get(stack, json_array_size(stack) - 1));
                size_t index;
                json_array_remove(stack, json_array_size(stack) - 1);
                json_t *whole = json_copy(at);
                json_object_foreach(whole, key, value) {
                        json_object_del(at, key);
                        try_everywhere(root);
                        json_object_set(at, key, value);
                        json_array_append(stack, value);
                }
                json_decref(whole);
                json_array_foreach(at, index, value)
                        json_array_append(stack, value);
                json_decref(at);
        }
        json_decref(stack);
        json_decref(root);
}

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
        struct given g;
        struct following out;
        struct problem why = { 0 };
        snprintf(all, sizeof(all), "[%s,%s,\"T\",5]", request, exception);
        give(&g, "errbacks",
             json_pack("[{s:s, s:[i]}, {s:s}, {s:s, s:[i], s:b}, o]", "task", "known.new", "args", 5, "task", "known",
                       "task", "known.new", "args", 6, "immutable", 1,
                       canvas("chain", json_pack("[{s:s}]", "task", "known.new"))));
        assert_int_equal(task_message_errbacks(&g.task, &failure, &how, &out, &why), 0);
        const struct message *m = out.messages;
        assert_args(m, all);
        assert_args(m->next, "[6]"); /* as Celery: those that it calls itself come first */
        assert_args(m->next->next, "[\"i\"]");
        assert_args(m->next->next->next, chained);
        assert_int_equal(count_and_clear(&out), 4);
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
                struct given g;
                struct following out;
                struct problem why = { 0 };
                json_t *errbacks = json_pack("[{s:s}, o]", "task", "known",
                                             canvas("chain", json_pack("[{s:s}]", "task", "known")));
                json_t *body = json_pack("{s:s, s:{s:s, s:O}}", "task", "known", "options", "task_id",
                                         rows[i % ROWS].owner, "link_error", errbacks);
                give(&g, "errbacks", errbacks);
                g.task.revived = rows[i % ROWS].revived;
                if (rows[i % ROWS].own)
                        assert_int_equal(task_message_errbacks(&g.task, &failure, &how, &out, &why), 0);
                else
                        assert_int_equal(task_message_unjoined(&g.task, body, &failure, &how, &out, &why), 0);
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
        struct follow_how counting = how;
        counting.keeps = only_known_ones_keep;
        counting.queue = "q";
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct given g;
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
                struct given g;
                struct following out;
                struct problem why = { 0 };
                struct buffer result = { 0 };
                json_t *sent = parse(rows[i].canvas), *expected = parse(rows[i].result);
                give(&g, "callbacks", json_pack("[{s:s}]", "task", "known"));
                json_t *sends = json_pack("[{s:s, s:O}]", "as", "result", "canvas", sent);
                assert_int_equal(task_message_sends(&g.task, sends, &how, &result, &out, &why), 0);
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

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ten_thousand),
                cmocka_unit_test(what_is_abandoned_of_ten_thousand),
                cmocka_unit_test(as_deep_as_it_may_be),
                cmocka_unit_test(turn_and_turn_about),
                cmocka_unit_test(every_value_of_every_wrong_type),
                cmocka_unit_test(every_member_left_out),
                cmocka_unit_test(errbacks_are_told_what_they_ask_for),
                cmocka_unit_test(errbacks_are_those_of_a_task_and_a_death),
                cmocka_unit_test(an_heir_keeps_state_where_the_task_does),
                cmocka_unit_test(what_is_sent_on_and_said_of_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
