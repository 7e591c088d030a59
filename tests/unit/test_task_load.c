/* SPDX-License-Identifier: Apache-2.0 */
/* What tasks_load makes of tasks' constants, and which of them it refuses. */
#include "core/json.h"
#include "tasks/load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_refused(const char *label, const char *text, int code, const struct problem *why)
{
        if (code != 1 || strcmp(why->code, "bad_data") != 0 || !strstr(why->text, text))
                fail_msg("%s: returned %d, code \"%s\", \"%s\"", label, code, why->code, why->text);
}

/* ---- prompts ---- */

/* `filled` is a format: the first %s is the catalogue or the tags, as `order` names them (c, s). */
static void marks_are_replaced_in_any_order_and_number(void **state)
{
        (void)state;
        static const struct {
                const char *prompt, *order, *filled;
        } rows[] = {
                { "", "", "" },
                { "no mark", "", "no mark" },
                { "@categories", "c", "%s" },
                { "@situation", "s", "%s" },
                { "a @categories b @situation c", "cs", "a %s b %s c" },
                { "a @situation b @categories c", "sc", "a %s b %s c" },
                { "@situation@situation, @categories를 @categories.", "sscc", "%s%s, %s를 %s." },
                { "write to kim@example.org, or @ home, @", "", "write to kim@example.org, or @ home, @" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                for (enum lang lang = LANG_KO; lang < LANG_COUNT; lang++) {
                        const struct task_def def = { .name = "t", .prompt = { rows[i].prompt, rows[i].prompt } };
                        struct problem why = { 0 };
                        char *filled;
                        if (load_prompt(&def, lang, &filled, &why) != 0)
                                fail_msg("%s: %s", rows[i].prompt, why.text);
                        char *at = filled;
                        const char *by = rows[i].order;
                        for (const char *f = rows[i].filled; *f; f++) {
                                const char one[2] = { *f, '\0' };
                                const char *want = one;
                                if (f[0] == '%' && ++f)
                                        want = *by++ == 'c' ? taxonomy()->catalogue[lang] : taxonomy()->tag_list;
                                if (strncmp(at, want, strlen(want)) != 0)
                                        fail_msg("%s gave: %.200s", rows[i].prompt, at);
                                at += strlen(want);
                        }
                        assert_string_equal(at, "");
                        free(filled);
                }
        }
}

static void unknown_marks_are_refused(void **state)
{
        (void)state;
        static const char *const rows[] = { "@situations", "a @category b", "@categories and @Situation", "(@major)",
                                            "@situation_" };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                const struct task_def def = { .name = "the.task", .prompt = { .en = rows[i] } };
                struct problem why = { 0 };
                char *filled = NULL;
                assert_refused(rows[i], "the.task has the mark @", load_prompt(&def, LANG_EN, &filled, &why), &why);
                assert_null(filled);
                assert_int_equal(load_prompt(&def, LANG_KO, &filled, &why), 0);
                assert_null(filled);
        }
}

/* ---- schemas ---- */

/* Where a list may be named; %s is its name. Each must come out with the list in that place. */
static const char *const PLACES[] = {
        "{\"enum\": \"%s\"}",
        "{\"properties\": {\"a\": {\"items\": {\"enum\": \"%s\"}}}}",
        "{\"anyOf\": [{\"type\": \"null\"}, {\"type\": \"string\", \"enum\": \"%s\"}]}",
        "{\"properties\": {\"a\": {\"anyOf\": [{\"allOf\": [[{\"enum\": \"%s\"}]]}]}}}",
};

static int load_place(const char *place, const char *list, json_t **out, struct problem *why)
{
        char schema[300];
        const char *mark = strstr(place, "%s");
        snprintf(schema, sizeof(schema), "%.*s%s%s", (int)(mark - place), place, list, mark + 2);
        const struct task_def def = { .name = "the.task", .schema = schema };
        return load_schema(&def, out, why);
}

static void lists_are_filled_in_wherever_they_are_named(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(PLACES) / sizeof(*PLACES); i++) {
                struct problem why = { 0 };
                json_t *schema;
                if (load_place(PLACES[i], "@situation", &schema, &why) != 0)
                        fail_msg("%s: %s", PLACES[i], why.text);
                char *text = json_dumps(schema, JSON_COMPACT), *tags = json_dumps(taxonomy()->tags, JSON_COMPACT);
                if (strstr(text, "@situation") || !strstr(text, tags))
                        fail_msg("%s gave %.200s", PLACES[i], text);
                free(tags);
                free(text);
                json_decref(schema);
        }
}

static void misspelt_lists_are_refused_wherever_they_are_named(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(PLACES) / sizeof(*PLACES); i++) {
                struct problem why = { 0 };
                json_t *schema;
                assert_refused(PLACES[i], "the.task asks for the list @situations",
                               load_place(PLACES[i], "@situations", &schema, &why), &why);
                assert_null(schema);
        }
        static const char *const broken[] = { "", "{", "[]", "\"@major\"" };
        for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
                const struct task_def def = { .name = "the.task", .schema = broken[i] };
                struct problem why = { 0 };
                json_t *schema;
                assert_refused(broken[i], "the schema of task the.task", load_schema(&def, &schema, &why), &why);
                assert_null(schema);
        }
}

/* ---- constants ---- */

static int ask(const struct task_input *in, struct ai_request *request, struct problem *why)
{
        (void)in, (void)request, (void)why;
        return 0;
}

static int conclude(const struct task_input *in, const struct ai_reply *reply, struct outcome *out, struct problem *why)
{
        (void)in, (void)reply, (void)out, (void)why;
        return 0;
}

static int run(const struct task_input *in, struct outcome *out, struct problem *why)
{
        (void)in, (void)out, (void)why;
        return 0;
}

#define BASE(name_)  .name = name_, .queue = "q", .retry = { .limit = 3, .base_ms = 10, .cap_ms = 10 }, .deadline_ms = 1
#define NAMED(name_) .name = name_, .queue = "q", .deadline_ms = 1

static void tasks_that_could_not_run_are_refused(void **state)
{
        (void)state;
        static const struct {
                const char *text; /* what the refusal says; NULL = the task is good */
                struct task_def def;
        } rows[] = {
                { NULL, { BASE("t.t"), .run = run } },
                { NULL, { BASE("t.t"), .ask = ask, .conclude = conclude, .schema = "{}" } },
                { "number 2 of tasks.list has no name", { NAMED(NULL), .run = run } },
                { "number 2 of tasks.list has no name", { NAMED(""), .run = run } },
                { "t.t has no queue", { .name = "t.t", .deadline_ms = 1, .run = run } },
                { "t.t has no queue", { .name = "t.t", .queue = "", .deadline_ms = 1, .run = run } },
                { "t.t has no deadline_ms", { .name = "t.t", .queue = "q", .run = run } },
                { "t.t has a retry cap_ms below",
                  { NAMED("t.t"), .retry = { .base_ms = 1000, .cap_ms = 999 }, .run = run } },
                { "t.t has both ask and run",
                  { BASE("t.t"), .ask = ask, .conclude = conclude, .schema = "{}", .run = run } },
                { "t.t has neither ask nor run", { BASE("t.t") } },
                { "t.t has neither ask nor run", { BASE("t.t"), .conclude = conclude, .schema = "{}" } },
                { "t.t has ask but no conclude", { BASE("t.t"), .ask = ask, .schema = "{}" } },
                { "t.t has ask but no schema", { BASE("t.t"), .ask = ask, .conclude = conclude } },
                { "t.t has run, but also conclude", { BASE("t.t"), .run = run, .conclude = conclude } },
                { "t.t has run, but also a schema", { BASE("t.t"), .run = run, .schema = "{}" } },
                { "two tasks are called first", { BASE("first"), .run = run } },
        };
        static const struct task_def first = { BASE("first"), .run = run };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                const struct task_def *const tasks[] = { &first, &rows[i].def, NULL };
                struct problem why = { 0 };
                const int code = load_check(tasks, &why);
                if (rows[i].text)
                        assert_refused(rows[i].text, rows[i].text, code, &why);
                else if (code != 0)
                        fail_msg("row %zu: %s", i, why.text);
        }
        assert_int_equal(load_check(task_registry, NULL), 0);
}

static int load_all(void **state)
{
        (void)state;
        return tasks_load(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(marks_are_replaced_in_any_order_and_number),
                cmocka_unit_test(unknown_marks_are_refused),
                cmocka_unit_test(lists_are_filled_in_wherever_they_are_named),
                cmocka_unit_test(misspelt_lists_are_refused_wherever_they_are_named),
                cmocka_unit_test(tasks_that_could_not_run_are_refused),
        };
        return cmocka_run_group_tests(tests, load_all, NULL);
}
