/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/task_try.h"

#include "core/json.h"
#include "tasks/offline.h"
#include "tasks/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ANY "…"

struct catalog *shipped(void)
{
        static struct catalog *catalog;
        const struct catalog_source source = { shipped_domains, shipped_pipelines, NULL };
        struct problem why = { 0 };
        if (!catalog && catalog_new(&catalog, &source, &why) != 0)
                fail_msg("the catalogue can't be built: %s", why.text);
        return catalog;
}

int build_shipped(void **state)
{
        (void)state;
        shipped();
        return 0;
}

static const struct task *task_of(const char *name)
{
        const struct task *task = catalog_task(shipped(), name);
        if (!task)
                fail_msg("there is no task %s", name);
        return task;
}

json_t *json_of(const char *text)
{
        json_error_t error;
        char *copy = strdup(text);
        for (char *c = copy; *c; c++)
                if (*c == '\'')
                        *c = '"';
        json_t *value = json_loads(copy, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
        free(copy);
        if (!value)
                fail_msg("%s in: %s", error.text, text);
        return value;
}

/* ---- comparing ---- */

static bool same(const json_t *expected, const json_t *actual);

static bool same_object(const json_t *expected, const json_t *actual)
{
        const bool open = json_object_get(expected, ANY) != NULL;
        const char *key;
        json_t *value;
        if (!json_is_object(actual) || (!open && json_object_size(expected) != json_object_size(actual)))
                return false;
        json_object_foreach((json_t *)expected, key, value) {
                if (strcmp(key, ANY) != 0 && !same(value, json_object_get(actual, key)))
                        return false;
        }
        return true;
}

static bool same_array(const json_t *expected, const json_t *actual)
{
        if (!json_is_array(actual) || json_array_size(expected) != json_array_size(actual))
                return false;
        for (size_t i = 0; i < json_array_size(expected); i++)
                if (!same(json_array_get(expected, i), json_array_get(actual, i)))
                        return false;
        return true;
}

static bool same(const json_t *expected, const json_t *actual)
{
        const char *text = json_string_value(expected);
        if (json_is_object(expected))
                return same_object(expected, actual);
        if (json_is_array(expected))
                return same_array(expected, actual);
        if (!actual || !text || strncmp(text, ANY, strlen(ANY)) != 0)
                return actual && json_equal(expected, actual);
        const char *part = text + strlen(ANY);
        return !*part || (json_is_string(actual) && strstr(json_string_value(actual), part));
}

void assert_outcome(const char *label, const char *expected, json_t *takes)
{
        json_t *wanted = json_of(expected);
        bool good = same(wanted, takes);
        char *got = good ? NULL : json_dumps(takes, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
        json_decref(wanted);
        json_decref(takes);
        if (!good)
                fail_msg("%s:\nexpected %s\nbut got  %s", label, expected, got);
        free(got);
}

/* ---- trying ---- */

static json_t *refusal(const struct problem *why)
{
        return json_pack("{s:{s:s, s:s, s:s}}", "refused", "source", why->source, "code", why->code, "text", why->text);
}

/* A try that ended with a bug or without memory fails the test. */
static bool was_refused(const char *task, int code, const struct problem *why)
{
        if (code < 0)
                fail_msg("%s returned %d", task, code);
        if (code > 0 && (!why->source[0] || !why->code[0] || !why->text[0]))
                fail_msg("%s refused without a reason", task);
        return code > 0;
}

static json_t *show_turns(const struct ai_request *request)
{
        json_t *turns = json_array();
        for (size_t i = 0; i < request->turn_count; i++) {
                const struct ai_turn *turn = &request->turns[i];
                json_t *parts = json_array();
                for (size_t p = 0; p < turn->part_count; p++) {
                        const char *kind = turn->parts[p].kind == AI_TEXT ? "text" : "image";
                        json_array_append_new(parts, json_pack("{s:s}", kind, turn->parts[p].text));
                }
                json_array_append_new(turns, json_pack("{s:s, s:o}", "role", turn->role, "parts", parts));
        }
        return turns;
}

static json_t *show_request(const struct ai_request *request)
{
        return json_pack("{s:s, s:s, s:i, s:s, s:o}", "task", request->task, "model",
                         request->model == AI_MODEL_VISION ? "vision" : "text", "deadline_ms",
                         (int)request->deadline_ms, "lang", request->lang, "turns", show_turns(request));
}

static json_t *show_outcome(const struct outcome *o)
{
        json_t *events = json_array(), *facts = json_array();
        for (const struct event *e = o->events; e; e = e->next) {
                json_t *of = json_sprintf("%s %s", e->aggregate_type, e->aggregate_id);
                json_array_append_new(events,
                                      json_pack("{s:o, s:s, s:O}", "of", of, "type", e->type, "payload", e->payload));
        }
        for (const struct fact *f = o->facts; f; f = f->next) {
                json_t *what = json_sprintf("%s %s %s", f->kind, f->owner, f->key);
                json_array_append_new(facts, json_pack("{s:o, s:O}", f->mode == FACT_ONCE ? "once" : "merge", what,
                                                       "value", f->value));
        }
        json_t *shown = json_pack("{s:O}", "sections", o->sections);
        if (json_array_size(events))
                json_object_set(shown, "events", events);
        if (json_array_size(facts))
                json_object_set(shown, "facts", facts);
        for (const struct document *d = o->documents; d; d = d->next) {
                if (!json_object_get(shown, "documents"))
                        json_object_set_new(shown, "documents", json_array());
                json_array_append_new(
                        json_object_get(shown, "documents"),
                        json_pack("{s:o, s:O?}", "of",
                                  json_sprintf("%s %s %s %lld", d->model, d->id, d->part, (long long)d->version),
                                  "value", d->value));
        }
        json_decref(events);
        json_decref(facts);
        return shown;
}

/* Each task's `adds` names the sections that it writes: complaints about missing ones are made from it. */
static void assert_announced(const struct task_def *def, json_t *sections)
{
        const char *section;
        json_t *value;
        json_object_foreach(sections, section, value) {
                size_t i = 0;
                while (i < TASK_MOST_SECTIONS && def->adds[i] && strcmp(def->adds[i], section) != 0)
                        i++;
                if (!def->adds[i])
                        fail_msg("%s wrote the section \"%s\", which its .adds does not name", def->name, section);
        }
}

json_t *try_ask(const char *task, const char *document)
{
        struct arena arena = { 0 };
        struct problem why = { 0 };
        struct ai_request request;
        json_t *doc = json_of(document);
        const struct task_input in = { .document = doc, .arena = &arena, .task = task_of(task) };
        int code = in.task->def->ask(&in, &request, &why);
        json_t *shown = was_refused(task, code, &why) ? refusal(&why) : show_request(&request);
        arena_free(&arena);
        json_decref(doc);
        return shown;
}

static json_t *try_outcome(const char *task, const char *document, const char *reply, const char *facts)
{
        const struct task_def *def = task_of(task)->def;
        struct arena arena = { 0 };
        struct problem why = { 0 };
        struct outcome out;
        json_t *doc = json_of(document), *has = facts ? json_of(facts) : NULL;
        struct ai_reply said = { .content = reply ? json_of(reply) : NULL };
        const struct task_input in = { .document = doc, .facts = has, .arena = &arena, .task = task_of(task) };
        assert_int_equal(outcome_open(&out, &arena), 0);
        int code = reply ? def->conclude(&in, &said, &out, &why) : def->run(&in, &out, &why);
        assert_announced(def, out.sections);
        json_t *shown = was_refused(task, code, &why) ? refusal(&why) : show_outcome(&out);
        outcome_close(&out);
        arena_free(&arena);
        json_decref(said.content);
        json_decref(has);
        json_decref(doc);
        return shown;
}

json_t *try_conclude(const char *task, const char *document, const char *reply)
{
        return try_outcome(task, document, reply, NULL);
}

json_t *try_run(const char *task, const char *document, const char *facts)
{
        return try_outcome(task, document, NULL, facts);
}

/* Takes `whole`. */
static json_t *consumer_tried(const char *consumer, json_t *whole, const json_t *history, const char *facts)
{
        const struct consumer *c = catalog_consumer(shipped(), consumer);
        struct consumer_event heard;
        struct arena arena = { 0 };
        struct problem why = { 0 };
        struct outcome out;
        if (!c)
                fail_msg("there is no consumer %s", consumer);
        json_t *has = facts ? json_of(facts) : NULL;
        const json_t *last = json_array_get(history, json_array_size(history) ? json_array_size(history) - 1 : 0);
        consumer_event_read(whole, &heard);
        assert_true(consumer_hears(c->def, heard.type, heard.aggregate_type));
        assert_int_equal(outcome_open(&out, &arena), 0);
        const struct consumer_input in = { .event = &heard,
                                           .facts = has,
                                           .history = history,
                                           .version = json_number(last, "version", 0),
                                           .data = c->data,
                                           .arena = &arena };
        const int code = consumer_run(c->def, &in, &out, &why);
        json_t *shown = code == TASK_AGAIN                  ? json_pack("{s:s}", "again", why.code)
                        : was_refused(consumer, code, &why) ? refusal(&why)
                                                            : show_outcome(&out);
        if (out.sends)
                json_object_set(shown, "sends", out.sends);
        outcome_close(&out);
        arena_free(&arena);
        json_decref(has);
        json_decref(whole);
        return shown;
}

json_t *try_consumer(const char *consumer, const char *event, const char *facts)
{
        return consumer_tried(consumer, json_of(event), NULL, facts);
}

json_t *try_projector(const char *consumer, const char *of, const json_t *history, const char *facts)
{
        const json_t *first = json_array_get(history, 0);
        json_t *payload = json_object_get(first, "payload");
        json_t *whole = json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", "e", "aggregate_type", of, "aggregate_id", "x",
                                  "type", json_text(first, "type", "ScanClassified"), "payload",
                                  payload ? json_incref(payload) : json_object());
        return consumer_tried(consumer, whole, history, facts);
}

json_t *try_args(const char *task, const char *args)
{
        struct arena arena = { 0 };
        struct problem why = { 0 };
        struct outcome out;
        json_t *all = json_of(args);
        const struct task_input in = { .args = all, .arena = &arena, .task = task_of(task) };
        assert_int_equal(outcome_open(&out, &arena), 0);
        const int code = in.task->def->run(&in, &out, &why);
        json_t *shown = was_refused(task, code, &why) ? refusal(&why) : json_incref(out.result);
        outcome_close(&out);
        arena_free(&arena);
        json_decref(all);
        return shown;
}

json_t *try_offline(const char *task, const char *document)
{
        struct arena arena = { 0 };
        struct problem why = { 0 };
        struct ai_request request;
        json_t *doc = json_of(document), *answer = NULL;
        const struct task_input in = { .document = doc, .arena = &arena, .task = task_of(task) };
        int code = in.task->def->ask(&in, &request, &why);
        if (code == 0)
                code = offline_answer(in.task, &request, &answer, &why);
        if (was_refused(task, code, &why))
                answer = refusal(&why);
        else if (ai_schema_check(request.schema, answer, &why) != 0)
                fail_msg("%s: the offline answer breaks the schema: %s", task, why.text);
        arena_free(&arena);
        json_decref(doc);
        return answer;
}
