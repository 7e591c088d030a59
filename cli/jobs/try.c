/* SPDX-License-Identifier: Apache-2.0 */
/* `chard try`: a task's own functions on a document, with no broker and no store. */
#include "cli/common/command.h"

#include "ai/ai.h"
#include "cli/common/input.h"
#include "cli/common/wait.h"
#include "core/arena.h"
#include "core/bytes.h"
#include "core/json.h"
#include "core/text/nearest.h"
#include "tasks/offline.h"
#include "tasks/task.h"

#include <stdio.h>
#include <string.h>

enum { TRY_PATIENCE_MS = 600000 };

/* One try, from the document to what the task makes of the reply. */
struct trial {
        const struct command *self;
        const struct task *task;
        struct task_input in;
        struct ai_request request;
        struct wait wait;
        json_t *shown;   /* owned; what is printed in the end */
        json_t *content; /* owned; the reply's */
        struct ai_reply reply;
        bool replied;
};

static json_t *try_problem(const struct problem *why)
{
        return json_pack("{s:s, s:s, s:s}", "source", why->source, "code", why->code, "text", why->text);
}

/* ---- asking ---- */

static json_t *try_request(const struct ai_request *request, const struct settings *s)
{
        struct buffer text = { 0 };
        const char *model = request->model;
        if (!model || model == AI_MODEL_TEXT)
                model = s->openai_model;
        else if (model == AI_MODEL_VISION)
                model = s->openai_vision_model;
        json_t *value = NULL;
        if (ai_request_write(request, model, &text) == 0)
                (void)json_parse(buffer_view(&text), "task", &value, NULL);
        buffer_free(&text);
        return value;
}

static void try_on_reply(const struct ai_reply *reply, void *arg)
{
        struct trial *t = (struct trial *)arg;
        t->reply = *reply;
        t->content = json_incref(reply->content);
        t->reply.content = t->content;
        t->replied = true;
        wait_done(&t->wait);
}

static int try_offline(const struct ai_request *request, json_t **answer, void *arg, struct problem *why)
{
        return offline_answer(arg, request, answer, why);
}

static int try_call(struct trial *t, const struct settings *s, bool real)
{
        struct problem why = { 0 };
        struct ai *ai = NULL;
        const struct ai_config config = {
                .loop = &t->wait.loop,
                .provider = real ? s->ai_provider : "offline",
                .base_url = s->openai_base_url,
                .api_key = s->openai_api_key,
                .model = s->openai_model,
                .vision_model = s->openai_vision_model,
                .connect_timeout_ms = (unsigned)s->connect_timeout_ms,
                .max_connections = 1,
                .http2_plain = s->ai_http2_plain,
                .baggage = s->ai_baggage,
                .offline = try_offline,
                .offline_arg = (void *)t->task,
        };
        wait_open(&t->wait);
        int code = ai_open(&ai, &config, &why);
        if (code == 0 && (code = ai_ask(ai, &t->request, try_on_reply, t, NULL)) == 0)
                wait_for(&t->wait, TRY_PATIENCE_MS);
        if (ai)
                ai_close(ai);
        wait_close(&t->wait);
        if (code)
                return command_fail(t->self, code, &why);
        return t->replied ? 0 : EXIT_TIMED_OUT;
}

static json_t *try_reply(const struct ai_reply *r)
{
        if (r->verdict != AI_OK)
                return json_pack("{s:s?, s:o, s:i}", "provider", r->provider, "error", try_problem(&r->why),
                                 "elapsed_ms", (int)r->elapsed_ms);
        return json_pack("{s:s?, s:s, s:i, s:i, s:i, s:O?}", "provider", r->provider, "model", r->model, "elapsed_ms",
                         (int)r->elapsed_ms, "tokens_in", (int)r->tokens_in, "tokens_out", (int)r->tokens_out,
                         "content", r->content);
}

/* ---- what it makes of it ---- */

static void try_show_outcome(json_t *shown, const struct outcome *o)
{
        json_t *events = json_array(), *facts = json_array();
        for (const struct event *e = o->events; e; e = e->next)
                json_array_append_new(events, json_pack("{s:s, s:s, s:s, s:O}", "type", e->type, "aggregate_type",
                                                        e->aggregate_type, "aggregate_id", e->aggregate_id, "payload",
                                                        e->payload));
        for (const struct fact *f = o->facts; f; f = f->next)
                json_array_append_new(facts, json_pack("{s:s, s:s, s:s, s:O, s:b}", "kind", f->kind, "owner", f->owner,
                                                       "key", f->key, "value", f->value, "once", f->mode == FACT_ONCE));
        if (o->result)
                json_object_set(shown, "result", o->result);
        else
                json_object_set(shown, "sections", o->sections);
        json_object_set_new(shown, "events", events);
        json_object_set_new(shown, "facts", facts);
}

/* A refusal is a result of the try, and shown as one. */
static int try_refused(struct trial *t, int code, const struct problem *why)
{
        if (code < 0)
                return command_fail(t->self, code, why);
        json_object_set_new(t->shown, "refused", try_problem(why));
        return EXIT_FAILED;
}

static int try_conclude(struct trial *t)
{
        struct outcome out;
        struct problem why = { 0 };
        int code = outcome_open(&out, t->in.arena);
        if (code < 0)
                return command_fail(t->self, code, &why);
        code = t->task->def->ask ? t->task->def->conclude(&t->in, &t->reply, &out, &why)
                                 : t->task->def->run(&t->in, &out, &why);
        if (code == 0)
                try_show_outcome(t->shown, &out);
        outcome_close(&out);
        return code ? try_refused(t, code, &why) : EXIT_DONE;
}

static int try_task(struct trial *t, const struct settings *s, bool real)
{
        struct problem why = { 0 };
        if (!t->task->def->ask)
                return try_conclude(t);
        int code = t->task->def->ask(&t->in, &t->request, &why);
        if (code)
                return try_refused(t, code, &why);
        json_object_set_new(t->shown, "request", try_request(&t->request, s));
        code = try_call(t, s, real);
        if (code)
                return code;
        json_object_set_new(t->shown, "reply", try_reply(&t->reply));
        return t->reply.verdict == AI_OK ? try_conclude(t) : EXIT_FAILED;
}

/* ---- the document ---- */

/* A whole document, or only its input. */
static json_t *try_document(const json_t *given)
{
        if (json_is_object(json_object_get(given, "input")))
                return json_pack("{s:{s:s}, s:O}", "job", "id", "try", "input", json_object_get(given, "input"));
        return json_pack("{s:{s:s, s:s?, s:s?}, s:O}", "job", "id", "try", "user_id", json_text(given, "user_id", NULL),
                         "lang", json_text(given, "lang", NULL), "input", given);
}

static int try_run_on(const struct command *self, const struct settings *s, const struct task *task,
                      const json_t *given, bool real)
{
        struct arena arena = { 0 };
        JSON_OWNED json_t *document = try_document(given), *none = json_array();
        if (json_is_object(json_object_get(given, "input"))) /* its sections too */
                json_object_update(document, (json_t *)given);
        const json_t *args = json_object_get(given, "args"), *kwargs = json_object_get(given, "kwargs");
        struct trial t = {
                .self = self,
                .task = task,
                .in = { .document = document,
                        .args = args ? args : none,
                        .kwargs = kwargs ? kwargs : given,
                        .arena = &arena,
                        .task = task },
                .shown = json_pack("{s:s}", "task", task->def->name),
        };
        const int code = try_task(&t, s, real);
        if (json_object_size(t.shown) > 1) {
                json_dumpf(t.shown, stdout, JSON_INDENT(2));
                putchar('\n');
        }
        json_decref(t.shown);
        json_decref(t.content);
        arena_free(&arena);
        return code;
}

static const struct task *try_find(const struct command *self, const struct catalog *catalog, const char *name,
                                   int *code)
{
        const struct task_set *set = catalog_tasks(catalog);
        const char *names[512];
        size_t count = 0;
        for (; count < set->count && count < 512; count++)
                names[count] = set->tasks[count].def->name;
        const struct task *task = catalog_task(catalog, name);
        char offer[NEAREST_OFFER_SIZE];
        if (!task)
                *code = command_misuse(self, "there is no task \"%.60s\"%s", name,
                                       nearest_offer(offer, name, names, count, ""));
        return task;
}

static int try_file(const struct command *self, const struct settings *s, const struct catalog *catalog, char **argv,
                    bool real)
{
        JSON_OWNED json_t *whole = NULL;
        JSON_OWNED json_t *input = NULL;
        const char *pipeline;
        struct problem why = { 0 };
        int code = 0;
        const struct task *task = try_find(self, catalog, argv[0], &code);
        if (!task)
                return code;
        code = input_file(argv[1], &whole, &pipeline, &input, &why);
        return code ? command_fail(self, code, &why) : try_run_on(self, s, task, pipeline ? input : whole, real);
}

static int try_main(const struct command *self, int argc, char **argv)
{
        bool real = false;
        const struct own_flag own[] = { { "--provider", 0, &real, NULL, NULL,
                                          "ask the provider that the settings name, not the offline one" },
                                        { 0 } };
        struct settings s;
        int operands, code;
        if (!command_load(self, own, &s, argc, argv, &operands, &code))
                return code;
        struct catalog *catalog = command_catalog(self, &s, &code);
        if (catalog)
                code = operands == 2
                               ? try_file(self, &s, catalog, argv, real)
                               : command_misuse(self, "name a task and a file with its document, - for standard input");
        catalog_unref(catalog);
        settings_free(&s);
        return code;
}

const struct command command_try = {
        .name = "try",
        .summary = "Run a task on a document, with no broker and no store: shows request, reply, sections and events",
        .usage = "TASK FILE [--provider]",
        .example = "  chard try chat.classify examples/chat-en.json\n"
                   "  chard job ID --json | jq .document | chard try chat.answer - --provider",
        .details =
                "FILE holds a document, an input object, or a sample as in examples/. Nothing is stored, nothing is sent but to the provider.\n"
                "Exit code 1 when the task refuses it, or the provider gave no answer.",
        .serverless = true,
        .run = try_main,
};
