/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/task_try.h"

#include "pipelines/pipeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the tables ---- */

static void every_step_is_a_task_and_every_name_is_there_once(void **state)
{
        (void)state;
        for (const struct pipeline *const *p = catalog_pipelines(shipped()); *p; p++) {
                char exchange[64];
                snprintf(exchange, sizeof(exchange), "%s.commands", (*p)->name);
                assert_string_equal((*p)->exchange, exchange);
                assert_ptr_equal(catalog_pipeline(shipped(), (*p)->name), *p);
                assert_non_null((*p)->steps[0]);
                for (size_t i = 0; (*p)->steps[i]; i++) {
                        assert_non_null(catalog_task(shipped(), (*p)->steps[i]));
                        assert_ptr_equal(catalog_task(shipped(), (*p)->steps[i])->pipeline, *p);
                }
                for (size_t i = 0; (*p)->input[i].name; i++)
                        assert_true(i < INPUT_MOST_KEYS);
        }
        assert_null(catalog_pipeline(shipped(), "scann"));
        assert_null(catalog_pipeline(shipped(), ""));
        assert_null(catalog_task(shipped(), "chard.echo")->pipeline);
}

/* ---- the document ---- */

struct row {
        const char *label, *task, *args, *kwargs, *expected;
};

/* The document of a message of job "root-1", or why it is refused. */
static json_t *document_of(const struct row *r)
{
        struct problem why = { 0 };
        json_t *args = json_of(r->args), *kwargs = json_of(r->kwargs), *out = NULL;
        json_t *args_before = json_deep_copy(args), *kwargs_before = json_deep_copy(kwargs);
        const struct task_message task = {
                .name = r->task, .id = "id-1", .root_id = "root-1", .args = args, .kwargs = kwargs
        };
        int code = pipeline_document(&task, catalog_task(shipped(), r->task)->pipeline, &out, &why);
        assert_true(code >= 0);
        if (code > 0) {
                assert_null(out); /* nothing that somebody could free again */
                out = json_pack("{s:{s:s, s:s, s:s}}", "refused", "source", why.source, "code", why.code, "text",
                                why.text);
        }
        /* the engine adds sections to the document: that must not reach into the message */
        json_object_set_new(out, "added", json_true());
        assert_true(json_equal(args, args_before) && json_equal(kwargs, kwargs_before));
        json_object_del(out, "added");
        json_decref(args_before);
        json_decref(kwargs_before);
        json_decref(args);
        json_decref(kwargs);
        return out;
}

static void each(const struct row *rows, size_t count)
{
        for (size_t i = 0; i < count; i++)
                assert_outcome(rows[i].label, rows[i].expected, document_of(&rows[i]));
}
#define EACH(rows) each(rows, sizeof(rows) / sizeof(*(rows)))

#define ARGUMENTS(text_) "{'refused': {'source': 'task', 'code': 'bad_arguments', 'text': '…" text_ "'}}"
#define DOCUMENT(text_)  "{'refused': {'source': 'task', 'code': 'bad_document', 'text': '…" text_ "'}}"

static void a_first_task_gets_a_document_of_its_arguments(void **state)
{
        (void)state;
        static const struct row rows[] = {
                { "keywords", "scan.vision", "[]",
                  "{'image_url': 'http://x', 'user_id': 'u', 'lang': 'en', 'text': 't'}",
                  "{'job': {'id': 'root-1', 'pipeline': 'scan', 'user_id': 'u', 'lang': 'en'},"
                  " 'input': {'image_url': 'http://x', 'user_id': 'u', 'lang': 'en', 'text': 't'}}" },
                { "korean where nothing is said", "scan.vision", "[]",
                  "{'image_url': 'http://x', 'user_id': 'u', 'lang': null}",
                  "{'job': {'…': 1, 'lang': 'ko'}, 'input': {'…': 1, 'lang': null}}" },
                { "one object", "chat.classify", "[{'text': 'q', 'user_id': 'u'}]", "{}",
                  "{'job': {'id': 'root-1', 'pipeline': 'chat', 'user_id': 'u', 'lang': 'ko'}, 'input': {'text': 'q', 'user_id': 'u'}}" },
                { "an object and keywords", "scan.vision", "[{'image_url': 'http://x'}]", "{'user_id': 'u'}",
                  "{'job': '…', 'input': {'image_url': 'http://x', 'user_id': 'u'}}" },
                { "updates of many", "my.profile", "[]", "{'updates': []}",
                  "{'job': {'id': 'root-1', 'pipeline': 'my', 'user_id': null, 'lang': 'ko'}, 'input': {'updates': []}}" },
                { "a Python uuid", "scan.vision", "[]",
                  "{'image_url': 'http://x', 'user_id': {'__type__': 'uuid', '__value__': {'hex': 'ab'}}}",
                  ARGUMENTS("must be a text; it is an object") },
                { "a Python uuid as text", "scan.vision", "[]",
                  "{'image_url': 'http://x', 'user_id': {'__type__': 'uuid', '__value__': 'ab-cd'}}",
                  "{'job': {'…': 1, 'user_id': 'ab-cd'}, 'input': {'…': 1, 'user_id': 'ab-cd'}}" },
                { "a whole document, started again", "scan.vision",
                  "[{'job': {'id': 'old', 'user_id': 'u'}, 'input': {'image_url': 'http://x', 'user_id': 'u'}}]", "{}",
                  "{'job': {'id': 'root-1', 'pipeline': 'scan', 'user_id': 'u'}, 'input': {'image_url': 'http://x', 'user_id': 'u'}}" },
        };
        EACH(rows);
}

static void a_first_task_with_wrong_arguments_is_told_which(void **state)
{
        (void)state;
        static const struct row rows[] = {
                { "nothing", "scan.vision", "[]", "{}", ARGUMENTS("is missing") },
                { "positional, as for a Python function", "scan.vision", "['http://x', 'u']", "{}",
                  ARGUMENTS(
                          "scan.vision takes keyword arguments, or one object; it got 2 positional arguments, the first a text") },
                { "a text", "scan.vision", "['http://x']", "{}", ARGUMENTS("the first a text") },
                { "a list", "scan.vision", "[[]]", "{}", ARGUMENTS("the first an array") },
                { "null", "scan.vision", "[null]", "{'image_url': 'http://x', 'user_id': 'u'}",
                  ARGUMENTS("the first null") },
                { "a misspelt key", "scan.vision", "[]", "{'image_url': 'http://x', 'userid': 'u'}",
                  ARGUMENTS("unknown key \\\"userid\\\": did you mean \\\"user_id\\\"?") },
                { "a key like none", "scan.vision", "[]", "{'image_url': 'http://x', 'user_id': 'u', 'zebra': 1}",
                  ARGUMENTS(
                          "unknown key \\\"zebra\\\"; known are \\\"image_url\\\", \\\"user_id\\\", \\\"text\\\", \\\"lang\\\"") },
                { "a number", "scan.vision", "[]", "{'image_url': 'http://x', 'user_id': 42}",
                  ARGUMENTS("\\\"user_id\\\" must be a text; it is a number") },
                { "another language", "chat.classify", "[]", "{'text': 'q', 'user_id': 'u', 'lang': 'jp'}",
                  ARGUMENTS("\\\"lang\\\" must be \\\"ko\\\" or \\\"en\\\"; it is \\\"jp\\\"") },
                { "a language of no type", "chat.classify", "[]", "{'text': 'q', 'user_id': 'u', 'lang': ['ko']}",
                  ARGUMENTS("\\\"lang\\\" must be a text; it is an array") },
                { "NUL", "chat.classify", "[]", "{'text': 'q\\u0000', 'user_id': 'u'}",
                  ARGUMENTS("holds the NUL character") },
                { "a key given twice", "scan.vision", "[{'user_id': 'a'}]", "{'image_url': 'http://x', 'user_id': 'b'}",
                  ARGUMENTS("\\\"user_id\\\" is given twice") },
                { "a text for updates", "my.profile", "[]", "{'updates': 'all'}",
                  ARGUMENTS("must be an array; it is a text") },
                { "a whole document with a bad input", "scan.vision",
                  "[{'job': {}, 'input': {'image_url': 1, 'user_id': 'u'}}]", "{}",
                  ARGUMENTS("\\\"image_url\\\" must be a text; it is a number") },
                { "a whole document and keywords", "scan.vision", "[{'job': {}, 'input': {}}]", "{'user_id': 'u'}",
                  DOCUMENT("there is a keyword argument: \\\"user_id\\\"") },
        };
        EACH(rows);
}

static void a_later_task_works_on_the_document_before_it(void **state)
{
        (void)state;
        static const struct row rows[] = {
                { "as it is", "scan.answer",
                  "[{'job': {'id': 'root-1', 'user_id': 'u', 'lang': 'en', 'trace': 7}, 'input': {'a': 1}, 'classification': {}}]",
                  "{}",
                  "{'job': {'id': 'root-1', 'pipeline': 'scan', 'user_id': 'u', 'lang': 'en', 'trace': 7}, 'input': {'a': 1},"
                  " 'classification': {}}" },
                { "the message says which job it is", "scan.reward",
                  "[{'job': {'id': 'another', 'pipeline': 'x'}, 'input': {}}]", "{}",
                  "{'job': {'id': 'root-1', 'pipeline': 'scan'}, 'input': {}}" },
                { "nothing", "scan.answer", "[]", "{}", DOCUMENT("there is none") },
                { "keywords alone", "scan.answer", "[]", "{'text': 'x'}", DOCUMENT("there is none") },
                { "a text", "scan.answer", "['x']", "{}", DOCUMENT("it is a text, not an object") },
                { "a group's results", "scan.answer", "[[{'job': {}, 'input': {}}]]", "{}",
                  DOCUMENT("it is an array, not an object") },
                { "null", "scan.answer", "[null]", "{}", DOCUMENT("it is null, not an object") },
                { "no job", "chat.answer", "[{'input': {}}]", "{}", DOCUMENT("its \\\"job\\\" is no object") },
                { "a text for a job", "chat.answer", "[{'job': 'x', 'input': {}}]", "{}",
                  DOCUMENT("its \\\"job\\\" is no object") },
                { "no input", "chat.answer", "[{'job': {}}]", "{}", DOCUMENT("its \\\"input\\\" is no object") },
                { "a number for a user", "scan.reward", "[{'job': {'user_id': 5}, 'input': {}}]", "{}",
                  DOCUMENT("its job.user_id is no text") },
                { "more arguments", "scan.answer", "[{'job': {}, 'input': {}}, 1]", "{}",
                  DOCUMENT("there are others behind it") },
                { "keywords too", "scan.answer", "[{'job': {}, 'input': {}}]", "{'lang': 'en'}",
                  DOCUMENT("there is a keyword argument: \\\"lang\\\"") },
        };
        EACH(rows);
}

static void a_task_of_no_pipeline_takes_anything(void **state)
{
        (void)state;
        static const struct row rows[] = {
                { "nothing", "chard.echo", "[]", "{}",
                  "{'job': {'id': 'root-1', 'pipeline': null, 'user_id': null, 'lang': null}, 'input': {}}" },
                { "everything", "chard.echo", "[1, 'a']", "{'k': 'v', 'user_id': 'u'}",
                  "{'job': {'…': 1, 'user_id': 'u'}, 'input': {'k': 'v', 'user_id': 'u', 'args': [1, 'a']}}" },
                { "an object that is no document", "chard.note", "[{'job': 1}]", "{}",
                  "{'job': '…', 'input': {'args': [{'job': 1}]}}" },
                { "a document", "chard.note", "[{'job': {'id': 'x'}, 'input': {'a': 1}, 'answer': {}}]", "{}",
                  "{'job': {'id': 'root-1'}, 'input': {'a': 1}, 'answer': {}}" },
        };
        EACH(rows);
}

/* ---- starting a job ---- */

static void a_started_job_is_the_chain_that_a_celery_client_would_send(void **state)
{
        (void)state;
        struct problem why = { 0 };
        struct message *message = NULL;
        struct arena arena = { 0 };
        struct task_message task = { 0 };
        char id[ID_TEXT_SIZE];
        json_t *input = json_of("{'image_url': 'http://x', 'user_id': 'u', 'lang': 'en'}");
        assert_int_equal(pipeline_start(catalog_pipeline(shipped(), "scan"), catalog_tasks(shipped()), input, NULL,
                                        NULL, id, &message, &why),
                         0);
        assert_string_equal(message->exchange, "scan.commands");
        assert_string_equal(message->routing_key, "scan.vision");
        assert_int_equal(task_message_decode(&arena, message->properties, message->body, 1 << 20, &task, &why), 0);
        assert_string_equal(task.name, "scan.vision");
        assert_string_equal(task.id, id);
        assert_string_equal(task.root_id, id);
        assert_non_null(strchr(task.origin, '@'));
        assert_int_equal(json_array_size(task.args), 0);
        assert_true(json_equal(task.kwargs, input));
        /* reversed: the next one is the last */
        assert_outcome(
                "chain",
                "[{'…': 1, 'task': 'scan.reward', 'options': {'…': 1, 'exchange': 'scan.reward', 'routing_key': 'scan.reward', 'task_id': '…'}},"
                " {'…': 1, 'task': 'scan.answer', 'options': {'…': 1, 'exchange': 'scan.answer', 'routing_key': 'scan.answer', 'task_id': '…'}}]",
                json_incref(task.chain));
        task_message_clear(&task);
        arena_free(&arena);
        message_free(message);
        json_decref(input);
}

static void every_job_has_ids_of_its_own(void **state)
{
        (void)state;
        struct problem why = { 0 };
        struct message *message = NULL;
        char first[ID_TEXT_SIZE], second[ID_TEXT_SIZE];
        json_t *input = json_of("{'updates': []}");
        assert_int_equal(pipeline_start(catalog_pipeline(shipped(), "my"), catalog_tasks(shipped()), input, NULL, NULL,
                                        first, &message, &why),
                         0);
        message_free(message);
        assert_int_equal(pipeline_start(catalog_pipeline(shipped(), "my"), catalog_tasks(shipped()), input, NULL, NULL,
                                        second, &message, &why),
                         0);
        message_free(message);
        assert_string_not_equal(first, second);
        json_decref(input);
}

/* Whoever submits it again under its id publishes the same steps, not others that follow. */
static void a_job_of_the_same_id_is_the_same_chain(void **state)
{
        (void)state;
        struct problem why = { 0 };
        char first[ID_TEXT_SIZE], same[ID_TEXT_SIZE];
        struct message *messages[2] = { 0 };
        json_t *input = json_of("{'image_url': 'http://x', 'user_id': 'u', 'lang': 'en'}");
        const struct pipeline *scan = catalog_pipeline(shipped(), "scan");
        const struct task_set *set = catalog_tasks(shipped());
        assert_int_equal(pipeline_start(scan, set, input, NULL, NULL, first, &messages[0], &why), 0);
        assert_int_equal(pipeline_start(scan, set, input, first, NULL, same, &messages[1], &why), 0);
        assert_string_equal(first, same);
        assert_int_equal(messages[0]->body.size, messages[1]->body.size);
        assert_memory_equal(messages[0]->body.data, messages[1]->body.data, messages[0]->body.size);
        message_free(messages[0]);
        message_free(messages[1]);
        json_decref(input);
}

static void a_wrong_input_starts_nothing(void **state)
{
        (void)state;
        static const struct {
                const char *pipeline, *input, *text;
        } rows[] = {
                { "scan", "{}", "\"image_url\" is missing" },
                { "scan", "{'image_url': 'x', 'user_id': ''}", "\"user_id\" must not be empty" },
                { "scan", "{'image_url': 'x', 'user': 'u'}", "unknown key \"user\"" },
                { "chat", "{'text': 5, 'user_id': 'u'}", "\"text\" must be a text; it is a number" },
                { "my", "{'updates': {}}", "\"updates\" must be an array; it is an object" },
                { "my", "[]", "the input is an array, not an object" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                struct problem why = { 0 };
                struct message *message = NULL;
                char id[ID_TEXT_SIZE];
                json_t *input = json_of(rows[i].input);
                assert_int_equal(pipeline_start(catalog_pipeline(shipped(), rows[i].pipeline), catalog_tasks(shipped()),
                                                input, NULL, NULL, id, &message, &why),
                                 1);
                assert_string_equal(why.source, "pipeline");
                assert_string_equal(why.code, "bad_input");
                if (!strstr(why.text, rows[i].text))
                        fail_msg("%s: %s", rows[i].input, why.text);
                assert_null(message);
                json_decref(input);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_step_is_a_task_and_every_name_is_there_once),
                cmocka_unit_test(a_first_task_gets_a_document_of_its_arguments),
                cmocka_unit_test(a_first_task_with_wrong_arguments_is_told_which),
                cmocka_unit_test(a_later_task_works_on_the_document_before_it),
                cmocka_unit_test(a_task_of_no_pipeline_takes_anything),
                cmocka_unit_test(a_started_job_is_the_chain_that_a_celery_client_would_send),
                cmocka_unit_test(every_job_has_ids_of_its_own),
                cmocka_unit_test(a_job_of_the_same_id_is_the_same_chain),
                cmocka_unit_test(a_wrong_input_starts_nothing),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
