/* SPDX-License-Identifier: Apache-2.0 */
/* Canvases that nobody would write: too long, too deep, of wrong types everywhere. Each gets an answer, and none leaves anything behind
 * (the tests run under AddressSanitizer). What canvases become when all is well is compared with a real worker's in tests/e2e. */
#include "canvas_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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
                struct canvas_given g;
                struct following out;
                struct problem why = { 0 };
                give(&g, rows[i].key, rows[i].value);
                if (task_message_check(&g.task, &canvas_how, &why) != 0 ||
                    task_message_successors(&g.task, bytes_of_string("1"), &canvas_how, &out, &why) != 0)
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
                        struct canvas_given g;
                        struct following out;
                        struct problem why = { 0 };
                        if (!try_to_give(&g, places[k], json_pack("[o]", nested(rows[i].type, rows[i].depth)))) {
                                assert_int_equal(rows[i].depth, 100);
                                take_back(&g);
                                continue;
                        }
                        const int checked = task_message_check(&g.task, &canvas_how, &why);
                        const int rc = task_message_successors(&g.task, bytes_of_string("1"), &canvas_how, &out, &why);
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
                struct canvas_given g;
                struct following out;
                struct problem why = { 0 };
                if (try_to_give(&g, "callbacks", json_pack("[o]", inner))) {
                        assert_int_equal(
                                task_message_successors(&g.task, bytes_of_string("1"), &canvas_how, &out, &why),
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
        struct follow_how how = canvas_how;
        how.queue = "own"; /* a group that replaces becomes a chord, whose body goes where the task came from */
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
        struct canvas_given g;
        struct following out;
        struct problem checked = { 0 }, why = { 0 };
        give(&g, "callbacks", json_pack("[O]", signature));
        const int before = task_message_check(&g.task, &canvas_how, &checked);
        const int rc = task_message_successors(&g.task, bytes_of_string("1"), &canvas_how, &out, &why);
        if (rc < 0 || rc != before || (rc && (out.messages || out.chords || out.children)))
                fail_msg("%d before, %d after: %s / %s", before, rc, checked.text, why.text);
        if (rc)
                assert_true(*why.text && strcmp(why.source, "message") == 0);
        count_and_clear(&out);
        try_sends(&g.task, signature);
        assert_true(task_message_joined(&g.task, signature, bytes_of_string("[1]"), &canvas_how, &out, &why) >= 0);
        count_and_clear(&out);
        assert_true(task_message_unjoined(&g.task, signature, &canvas_failure, &canvas_how, &out, &why) >= 0);
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
        struct canvas_given g;
        struct problem why = { 0 };
        give(&g, "callbacks", json_pack("[O]", root));
        if (task_message_check(&g.task, &canvas_how, &why) != 0)
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

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ten_thousand),
                cmocka_unit_test(what_is_abandoned_of_ten_thousand),
                cmocka_unit_test(as_deep_as_it_may_be),
                cmocka_unit_test(turn_and_turn_about),
                cmocka_unit_test(every_value_of_every_wrong_type),
                cmocka_unit_test(every_member_left_out),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
