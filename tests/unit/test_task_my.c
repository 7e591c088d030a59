/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/task_try.h"

#include "tasks/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MY(updates) \
        "{'job': {'id': 'job-1', 'pipeline': 'my', 'user_id': null, 'lang': 'ko'}, 'input': {'updates': " updates "}}"
#define SET(user, field, value) "{'user_id': '" user "', 'field': '" field "', 'value': " value "}"
#define REFUSED(code_, text_)   "{'refused': {'source': 'task', 'code': '" code_ "', 'text': '…" text_ "'}}"

struct row {
        const char *label, *document, *expected;
};

static void each(const struct row *rows, size_t count)
{
        for (size_t i = 0; i < count; i++)
                assert_outcome(rows[i].label, rows[i].expected, try_run("my.profile", rows[i].document, NULL));
}
#define EACH(rows) each(rows, sizeof(rows) / sizeof(*(rows)))

static void every_changed_profile_gets_its_rows_and_one_event(void **state)
{
        (void)state;
        static const struct row rows[] = {
                { "none", MY("[]"), "{'sections': {'profile': {'profiles': 0, 'fields': 0}}}" },
                { "two profiles",
                  MY("[" SET("a", "nickname", "'민지'") ", " SET("b", "notifications", "true") ", " SET("a", "lang",
                                                                                                        "'ko'") "]"),
                  "{'sections': {'profile': {'profiles': 2, 'fields': 3}},"
                  "'events': [{'of': 'profile a', 'type': 'ProfileUpdated', 'payload': {'job_id': 'job-1', 'user_id': 'a',"
                  " 'fields': {'nickname': '민지', 'lang': 'ko'}}},"
                  "{'of': 'profile b', 'type': 'ProfileUpdated', 'payload': {'job_id': 'job-1', 'user_id': 'b',"
                  " 'fields': {'notifications': true}}}],"
                  "'facts': [{'merge': 'profile a nickname', 'value': '민지'}, {'merge': 'profile a lang', 'value': 'ko'},"
                  " {'merge': 'profile b notifications', 'value': true}]}" },
                { "a later element wins",
                  MY("[" SET("a", "x", "1") ", " SET("b", "x", "2") ", " SET("a", "x", "3") "]"),
                  "{'sections': {'profile': {'profiles': 2, 'fields': 2}},"
                  "'events': [{'…': 1, 'of': 'profile a', 'payload': {'…': 1, 'fields': {'x': 3}}},"
                  " {'…': 1, 'of': 'profile b', 'payload': {'…': 1, 'fields': {'x': 2}}}],"
                  "'facts': [{'merge': 'profile a x', 'value': 3}, {'merge': 'profile b x', 'value': 2}]}" },
                { "any JSON is a value", MY("[" SET("a", "n", "null") ", " SET("a", "o", "{'k': [1, 2.5]}") "]"),
                  "{'…': 1, 'facts': [{'merge': 'profile a n', 'value': null}, {'merge': 'profile a o', 'value': {'k': [1, 2.5]}}]}" },
        };
        EACH(rows);
}

static void a_bad_element_is_named_with_its_place(void **state)
{
        (void)state;
        static const struct row rows[] = {
                { "no updates", "{'job': {'id': 'j'}, 'input': {}}", REFUSED("bad_input", "is missing") },
                { "no list", MY("{}"), REFUSED("bad_input", "must be an array; it is an object") },
                { "an unknown key beside them", "{'job': {'id': 'j'}, 'input': {'updates': [], 'update': []}}",
                  REFUSED("bad_input", "did you mean ") },
                { "no object", MY("[" SET("a", "x", "1") ", 7]"), REFUSED("bad_update", "updates[1] must be ") },
                { "a list", MY("[[]]"), REFUSED("bad_update", "it is an array") },
                { "no user", MY("[{'field': 'x', 'value': 1}]"),
                  REFUSED("bad_update", "updates[0].user_id must be a text that is not empty; it is absent") },
                { "a number for a user", MY("[{'user_id': 1, 'field': 'x', 'value': 1}]"),
                  REFUSED("bad_update", "it is a number") },
                { "an empty user", MY("[" SET("", "x", "1") "]"), REFUSED("bad_update", "updates[0].user_id") },
                { "NUL in a user", MY("[" SET("a\\u0000b", "x", "1") "]"),
                  REFUSED("bad_update", "without the NUL character") },
                { "no field", MY("[{'user_id': 'a', 'value': 1}]"),
                  REFUSED("bad_update", "updates[0].field must be a text; it is absent") },
                { "an empty field", MY("[" SET("a", "", "1") "]"),
                  REFUSED("bad_update", "updates[0].field must be a name") },
                { "SQL for a field", MY("[" SET("a", "x; drop table profile", "1") "]"),
                  REFUSED("bad_update", "it is x; drop table profile") },
                { "upper case", MY("[" SET("a", "Nick", "1") "]"), REFUSED("bad_update", "must be a name") },
                { "NUL in a field", MY("[" SET("a", "x\\u0000", "1") "]"), REFUSED("bad_update", "must be a name") },
                { "a digit first", MY("[" SET("a", "1x", "1") "]"), REFUSED("bad_update", "must be a name") },
                { "65 characters",
                  MY("[" SET("a", "a2345678901234567890123456789012345678901234567890123456789012345", "1") "]"),
                  REFUSED("bad_update", "must be a name") },
                { "no value", MY("[{'user_id': 'a', 'field': 'x'}]"),
                  REFUSED("bad_update", "updates[0].value must be there") },
                { "NUL in a value", MY("[" SET("a", "x", "['\\u0000']") "]"),
                  REFUSED("bad_update", "updates[0].value must be free of the NUL") },
                { "another key", MY("[{'user_id': 'a', 'field': 'x', 'vlaue': 1}]"),
                  REFUSED("bad_update", "unknown key") },
                { "a key like none", MY("[{'user_id': 'a', 'field': 'x', 'value': 1, 'when': 2}]"),
                  REFUSED("bad_update", "known are user_id, field, value") },
        };
        EACH(rows);
}

/* A document with `count` good updates of one field each, the last one as given. */
static json_t *run_many(size_t count, const char *last)
{
        const char *head = "{'job': {'id': 'job-1'}, 'input': {'updates': [";
        char *document = malloc(strlen(head) + count * 80 + strlen(last) + 8), *to = stpcpy(document, head);
        for (size_t i = 0; i + 1 < count; i++)
                to += sprintf(to, "{'user_id': 'user-%zu', 'field': 'level', 'value': %zu}, ", i, i);
        strcpy(stpcpy(to, last), "]}}");
        json_t *got = try_run("my.profile", document, NULL);
        free(document);
        return got;
}

static void ten_thousand_go_in_one_task_and_one_more_does_not(void **state)
{
        (void)state;
        json_t *got = run_many(10000, SET("last", "level", "1"));
        assert_int_equal(json_array_size(json_object_get(got, "events")), 10000);
        assert_int_equal(json_array_size(json_object_get(got, "facts")), 10000);
        json_decref(got);
        assert_outcome("one bad among them", REFUSED("bad_update", "updates[9999].field must be a text; it is null"),
                       run_many(10000, "{'user_id': 'a', 'field': null, 'value': 1}"));
        assert_outcome("10,001", REFUSED("bad_input", "has 10001 elements; at most 10000 are taken"),
                       run_many(10001, SET("last", "level", "1")));
}

static void a_value_is_at_most_16_kib(void **state)
{
        (void)state;
        char *document = NULL;
        for (int size = 16382; size <= 16383; size++) {
                assert_true(asprintf(&document, MY("[{'user_id': 'a', 'field': 'x', 'value': '%0*d'}]"), size, 0) > 0);
                assert_outcome("with its quotes",
                               size == 16382 ? "{'…': 1, 'facts': '…'}" : REFUSED("bad_update", "at most 16384 bytes"),
                               try_run("my.profile", document, NULL));
                free(document);
        }
}

static void the_diagnostic_tasks_do_nothing(void **state)
{
        (void)state;
        assert_outcome("echo", "{'sections': {}}", try_run("chard.echo", "{'job': {}, 'input': {}}", NULL));
        assert_outcome("note", "{'sections': {}}", try_run("chard.note", "{'job': {}, 'input': {}}", NULL));
}

static void a_sum_that_is_too_large_is_refused(void **state)
{
        (void)state;
        assert_outcome("the largest", "9223372036854775807",
                       try_args("chard.add", "[4611686018427387904, 4611686018427387903]"));
        assert_outcome("one more", REFUSED("overflow", "64-bit integer"),
                       try_args("chard.add", "[4611686018427387904, [4611686018427387904]]"));
        assert_outcome("the smallest", "-9223372036854775808", try_args("chard.add", "[-9223372036854775807, -1]"));
        assert_outcome("one less", REFUSED("overflow", "64-bit integer"),
                       try_args("chard.add", "[-9223372036854775807, -2]"));
        assert_outcome("a real", REFUSED("overflow", "64-bit floating-point"), try_args("chard.add", "[1e308, 1e308]"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_changed_profile_gets_its_rows_and_one_event),
                cmocka_unit_test(a_bad_element_is_named_with_its_place),
                cmocka_unit_test(ten_thousand_go_in_one_task_and_one_more_does_not),
                cmocka_unit_test(a_value_is_at_most_16_kib),
                cmocka_unit_test(the_diagnostic_tasks_do_nothing),
                cmocka_unit_test(a_sum_that_is_too_large_is_refused),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
