/* SPDX-License-Identifier: Apache-2.0 */
/* What the catalogue makes of tasks' constants, and which of them it refuses. */
#include "core/json.h"
#include "tasks/load.h"
#include "tasks/waste/taxonomy.h"
#include "tasks/waste/waste.h"
#include "tests/unit/task_try.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* That of the shipped tasks. */
static const struct taxonomy *the_taxonomy(void)
{
        return catalog_task(shipped(), "scan.vision")->data;
}

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
                        const struct task_def def = { .name = "t" };
                        const struct task_prompt prompt = { lang_codes[lang], rows[i].prompt };
                        struct problem why = { 0 };
                        char *filled;
                        if (load_prompt(&waste, the_taxonomy(), &def, &prompt, &filled, &why) != 0)
                                fail_msg("%s: %s", rows[i].prompt, why.text);
                        char *at = filled;
                        const char *by = rows[i].order;
                        for (const char *f = rows[i].filled; *f; f++) {
                                const char one[2] = { *f, '\0' };
                                const char *want = one;
                                if (f[0] == '%' && ++f)
                                        want = *by++ == 'c' ? the_taxonomy()->catalogue[lang]
                                                            : the_taxonomy()->tag_list;
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
                const struct task_def def = { .name = "the.task" };
                const struct task_prompt prompt = { "en", rows[i] };
                struct problem why = { 0 };
                char *filled = NULL;
                assert_refused(rows[i], "the.task has the mark @",
                               load_prompt(&waste, the_taxonomy(), &def, &prompt, &filled, &why), &why);
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
        return load_schema(&waste, the_taxonomy(), &def, out, why);
}

static void lists_are_filled_in_wherever_they_are_named(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(PLACES) / sizeof(*PLACES); i++) {
                struct problem why = { 0 };
                json_t *schema;
                if (load_place(PLACES[i], "@situation", &schema, &why) != 0)
                        fail_msg("%s: %s", PLACES[i], why.text);
                char *text = json_dumps(schema, JSON_COMPACT), *tags = json_dumps(the_taxonomy()->tags, JSON_COMPACT);
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
                assert_refused(broken[i], "the schema of task the.task",
                               load_schema(&waste, the_taxonomy(), &def, &schema, &why), &why);
                assert_null(schema);
        }
}

static void a_schema_that_strict_mode_refuses_is_named_with_its_task(void **state)
{
        (void)state;
        const struct task_def def = { .name = "the.task", .schema = "{\"type\": \"object\"}" };
        struct problem why = { 0 };
        json_t *schema;
        assert_int_equal(load_schema(&waste, the_taxonomy(), &def, &schema, &why), 0);
        assert_refused("open", "the schema of task the.task: at its root: \"additionalProperties\": false is missing",
                       load_strict(&def, schema, &why), &why);
        json_decref(schema);
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

static const struct task_prompt prompts_of_three[] = { { "en", "a" }, { "pt-BR", "b" }, { "zh-Hant-TW", "c" }, { 0 } };
static const struct task_prompt prompts_bad[] = { { "en", "a" }, { "pt_BR", "b" }, { 0 } };
static const struct task_prompt prompts_cut[] = { { "en-", "a" }, { 0 } };
static const struct task_prompt prompts_twice[] = { { "en", "a" }, { "EN", "b" }, { 0 } };
static const struct task_prompt prompts_silent[] = { { "en", NULL }, { 0 } };

static void tasks_that_could_not_run_are_refused(void **state)
{
        (void)state;
        static const struct {
                const char *text; /* what the refusal says; NULL = the task is good */
                struct task_def def;
        } rows[] = {
                { NULL, { BASE("t.t"), .run = run } },
                { NULL, { BASE("t.t"), .ask = ask, .conclude = conclude, .schema = "{}" } },
                { "number 2 has no name", { NAMED(NULL), .run = run } },
                { "number 2 has no name", { NAMED(""), .run = run } },
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
                { NULL, { BASE("t.t"), .run = run, .sees = { { "badge", "/job/user_id" } } } },
                { "t.t sees facts without a kind", { BASE("t.t"), .run = run, .sees = { { "", "/job/user_id" } } } },
                { "t.t sees facts without a kind, or without a JSON pointer",
                  { BASE("t.t"), .run = run, .sees = { { "badge", "user_id" } } } },
                { "t.t sees facts without a kind, or without a JSON pointer",
                  { BASE("t.t"), .run = run, .sees = { { "badge", NULL } } } },
                { "t.t sees facts, but has no document",
                  { BASE("t.t"), .run = run, .flags = TASK_PLAIN, .sees = { { "badge", "/a" } } } },
                { "t.t sees facts, but has no document or keeps nothing",
                  { BASE("t.t"), .run = run, .flags = TASK_STATELESS, .sees = { { "badge", "/a" } } } },
                { NULL, { BASE("t.t"), .run = run, .prompts = prompts_of_three } },
                { "t.t has a prompt whose language is no BCP 47 tag",
                  { BASE("t.t"), .run = run, .prompts = prompts_bad } },
                { "t.t has a prompt whose language is no BCP 47 tag",
                  { BASE("t.t"), .run = run, .prompts = prompts_cut } },
                { "t.t has two prompts in one language", { BASE("t.t"), .run = run, .prompts = prompts_twice } },
                { "t.t has a prompt without a text", { BASE("t.t"), .run = run, .prompts = prompts_silent } },
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
}

/* ---- languages ---- */

static void the_prompt_is_the_nearest_language_s(void **state)
{
        (void)state;
        static struct task_prompt prompts[] = {
                { "ko", "1" }, { "en", "2" }, { "pt-BR", "3" }, { "zh-Hant", "4" }, { 0 }
        };
        static const struct {
                const char *lang, *text;
        } rows[] = {
                { "ko", "1" },      { "en", "2" }, { "EN", "2" },    { "en-GB", "2" },      { "pt-BR", "3" },
                { "pt-br-x", "3" }, { "pt", "1" }, { "pt-PT", "1" }, { "zh-Hant-TW", "4" }, { "zh", "1" },
                { "", "1" },        { "e", "1" },  { "en_GB", "1" }, { "-", "1" },          { "english", "1" },
        };
        const struct task task = { .prompts = prompts }, silent = { 0 };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
                if (strcmp(task_prompt(&task, rows[i].lang)->text, rows[i].text) != 0)
                        fail_msg("\"%s\" gave %s", rows[i].lang, task_prompt(&task, rows[i].lang)->text);
        assert_null(task_prompt(&silent, "en"));
}

/* ---- catalogues ---- */

static const struct task_def shout = { BASE("shout"), .run = run }, whisper = { BASE("whisper"), .run = run };
static const struct task_def *const shouts[] = { &shout, NULL }, *const both[] = { &shout, &whisper, NULL };

static int refuse_data(void **data, struct problem *why)
{
        *data = NULL;
        return problem_set(why, "task", "bad_data", "the data is broken");
}

static void a_mistake_in_a_catalogue_is_named(void **state)
{
        (void)state;
        static const struct domain one = { .name = "one", .tasks = shouts }, two = { .name = "two", .tasks = both },
                                   broken = { .name = "broken", .tasks = shouts, .open = refuse_data };
        static const struct pipeline good = { .name = "good", .steps = { "shout" } },
                                     typo = { .name = "typo", .steps = { "shout", "wisper" } };
        static const struct {
                const char *text;
                const struct domain *domains[3];
                const struct pipeline *pipelines[3];
                const char *plugins;
        } rows[] = {
                { "two tasks are called shout", { &one, &two }, { NULL }, NULL },
                { "the data is broken", { &broken }, { NULL }, NULL },
                { "step 2 of the pipeline typo is no task: \"wisper\"; did you mean \"whisper\"?",
                  { &two },
                  { &typo },
                  NULL },
                { "two pipelines are called good", { &one }, { &good, &good }, NULL },
                { "/no/such.so: No such file", { &one }, { &good }, " /no/such.so" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                const struct catalog_source source = { rows[i].domains, rows[i].pipelines, rows[i].plugins };
                struct catalog *catalog = NULL;
                struct problem why = { 0 };
                assert_int_equal(catalog_new(&catalog, &source, &why), 1);
                assert_null(catalog);
                if (!strstr(why.text, rows[i].text))
                        fail_msg("row %zu: %s", i, why.text);
        }
}

static void one_is_built_beside_another_that_is_in_use(void **state)
{
        (void)state;
        static const struct domain old = { .name = "a", .tasks = shouts }, new = { .name = "a", .tasks = both };
        static const struct domain *const before[] = { &old, NULL }, *const after[] = { &new, NULL };
        static const struct pipeline *const none[] = { NULL };
        struct catalog *first = NULL, *second = NULL;
        assert_int_equal(catalog_new(&first, &(struct catalog_source){ before, none, NULL }, NULL), 0);
        struct catalog *used = catalog_ref(first);
        catalog_unref(first);
        assert_int_equal(catalog_new(&second, &(struct catalog_source){ after, none, NULL }, NULL), 0);
        assert_null(catalog_task(used, "whisper"));
        assert_non_null(catalog_task(second, "whisper"));
        assert_ptr_equal(catalog_task(used, "shout")->def, &shout);
        catalog_unref(used);
        catalog_unref(second);
        catalog_unref(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(marks_are_replaced_in_any_order_and_number),
                cmocka_unit_test(unknown_marks_are_refused),
                cmocka_unit_test(lists_are_filled_in_wherever_they_are_named),
                cmocka_unit_test(misspelt_lists_are_refused_wherever_they_are_named),
                cmocka_unit_test(a_schema_that_strict_mode_refuses_is_named_with_its_task),
                cmocka_unit_test(tasks_that_could_not_run_are_refused),
                cmocka_unit_test(the_prompt_is_the_nearest_language_s),
                cmocka_unit_test(a_mistake_in_a_catalogue_is_named),
                cmocka_unit_test(one_is_built_beside_another_that_is_in_use),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
