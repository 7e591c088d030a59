/* SPDX-License-Identifier: Apache-2.0 */
/* Between the engine's types and those of include/chard/plugin.h: JSON as values here, as text there. */
#include "core/bytes.h"

#include "core/json.h"
#include "core/text/utf8.h"
#include "tasks/plugin/plugin.h"
#include "tasks/plugin/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The one that this thread is in. Any other that a plug-in comes with, kept from before or used from a thread of its own, is not followed. */
static _Thread_local struct plugin_call *under_way;

static struct plugin_call *of_input(const struct chard_input *in)
{
        return under_way && in == &under_way->input ? under_way : NULL;
}

static struct plugin_call *of_request(const struct chard_request *r)
{
        return under_way && under_way->asked && r == &under_way->request ? under_way : NULL;
}

static struct plugin_call *of_reply(const struct chard_reply *r)
{
        return under_way && under_way->answered && r == &under_way->reply ? under_way : NULL;
}

static struct plugin_call *of_outcome(const struct chard_outcome *o)
{
        return under_way && under_way->out && o == &under_way->outcome ? under_way : NULL;
}

/* ---- reading ---- */

static const char *plugin_task_told(const struct task_input *in, const json_t *value, const char *pointer, int as_json)
{
        value = json_at(value, pointer);
        if (!value)
                return NULL;
        return as_json ? ask_json(in, value) : json_string_value(value);
}

static const char *plugin_task_find(const struct chard_input *in, const char *pointer, int as_json)
{
        const struct plugin_call *c = of_input(in);
        return c && pointer ? plugin_task_told(c->in, c->in->document, pointer, as_json) : NULL;
}

static const char *find_reply(const struct chard_reply *r, const char *pointer, int as_json)
{
        const struct plugin_call *c = of_reply(r);
        return c && pointer ? plugin_task_told(c->in, c->answered->content, pointer, as_json) : NULL;
}

/* Made when it is first asked for, and dropped when the function returns: texts are copied. */
static const json_t *plugin_task_about(struct plugin_call *c, int what)
{
        json_t **made = what == CHARD_ARGUMENTS ? &c->arguments : &c->about;
        if (!*made && what == CHARD_ARGUMENTS)
                *made = json_pack("{s:O?, s:O?}", "args", c->in->args, "kwargs", c->in->kwargs);
        else if (!*made && what == CHARD_OWN_REQUEST)
                *made = task_request(c->in);
        return *made;
}

static const char *find_about(const struct chard_input *in, int what, const char *pointer, int as_json)
{
        struct plugin_call *c = of_input(in);
        const char *text = c && pointer ? plugin_task_told(c->in, plugin_task_about(c, what), pointer, as_json) : NULL;
        return as_json || !text ? text : arena_string(c->in->arena, text);
}

static const char *plugin_fact(const struct chard_input *in, const char *kind, const char *owner, const char *key)
{
        const struct plugin_call *c = of_input(in);
        if (!c || !kind || !owner)
                return NULL;
        const json_t *value = task_facts(c->in, kind, owner);
        if (key)
                value = json_object_get(value, key);
        return value ? ask_json(c->in, value) : NULL;
}

static const char *plugin_quote(const struct chard_input *in, const char *text)
{
        const struct plugin_call *c = of_input(in);
        JSON_OWNED json_t *value = text ? json_string(text) : NULL;
        if (!c)
                return NULL;
        return value ? ask_json(c->in, value) : "null";
}

static char *plugin_task_allocate(const struct chard_input *in, size_t size)
{
        const struct plugin_call *c = of_input(in);
        return c ? arena_alloc(c->in->arena, size) : NULL;
}

/* ---- answering ---- */

static int plugin_task_refuse(const struct chard_input *in, const char *name, const char *text)
{
        const struct plugin_call *c = of_input(in);
        if (c)
                problem_set(c->why, "task", name && *name ? name : "refused", "%s", text ? text : "");
        return CHARD_REFUSE;
}

static json_t *plugin_parsed(const char *json, struct problem *why);

static int raise_exception(const struct chard_input *in, const char *type, const char *module, const char *args)
{
        const struct plugin_call *c = of_input(in);
        struct problem fault = { 0 };
        if (!c)
                return CHARD_BROKEN;
        if (task_raise(c->in, c->why, type, module, plugin_parsed(args, &fault)) == 1)
                return CHARD_REFUSE;
        problem_set(c->why, "task", "broken_task", "%.100s raised what is no exception: %.100s.%.100s",
                    c->in->task->def->name, module ? module : "(none)", type ? type : "(none)");
        return CHARD_BROKEN;
}

static int plugin_task_retry(const struct chard_input *in, long delay_ms, int limit)
{
        const struct plugin_call *c = of_input(in);
        if (!c)
                return CHARD_BROKEN;
        task_retry(c->in, c->why, delay_ms, limit);
        return CHARD_AGAIN;
}

static int plugin_task_say(struct chard_request *r, const char *role, int part, const char *text)
{
        const struct plugin_call *c = of_request(r);
        const bool user = role && strcmp(role, "user") == 0;
        if (!c || !text || !utf8_is(text) || (!user && (!role || strcmp(role, "assistant") != 0)))
                return CHARD_BROKEN;
        const char *kept = arena_string(c->in->arena, text);
        return ask_say(c->in, c->asked, user ? "user" : "assistant", part == CHARD_IMAGE_URL ? AI_IMAGE_URL : AI_TEXT,
                       kept) == 0
                       ? CHARD_DONE
                       : CHARD_BROKEN;
}

static json_t *plugin_parsed(const char *json, struct problem *why)
{
        json_t *value = NULL;
        if (!json)
                problem_set(why, "task", "bad_json", "there is no JSON");
        else
                json_parse(bytes_of_string(json), "task", &value, why);
        return value;
}

/* A part of the outcome that can't be added is a bug of the plug-in: say which, and let its verdict count. */
static int plugin_added(const struct plugin_call *c, const char *what, const char *name, int rc,
                        const struct problem *fault)
{
        if (rc == 0)
                return CHARD_DONE;
        problem_set(c->why, "task", "broken_task", "the %s \"%.100s\" of %.100s: %s", what, name ? name : "",
                    c->in->task->def->name, fault->text[0] ? fault->text : "memory ran out");
        return CHARD_BROKEN;
}

/* A consumer's outcome has events, facts and tasks that are sent. */
static bool plugin_is_task(const struct plugin_call *c, struct problem *fault)
{
        return !c->consumes || problem_set(fault, "task", "bad_outcome", "a consumer leaves none") == 0;
}

/* What is stored must be text; the job's own parts of the document are nobody's to write. */
static bool plugin_texts(const char *a, const char *b, const char *c, struct problem *fault)
{
        const char *const all[] = { a, b, c };
        for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
                if (!all[i])
                        return problem_set(fault, "task", "bad_text", "a text is missing") == 0;
                if (!utf8_is(all[i]))
                        return problem_set(fault, "task", "bad_text", "a text is not UTF-8") == 0;
        }
        return true;
}

static bool is_free(const char *name, struct problem *fault)
{
        if (strcmp(name, "job") != 0 && strcmp(name, "input") != 0)
                return true;
        return problem_set(fault, "task", "bad_text", "that part of the document is not a task's to write") == 0;
}

static int plugin_section(struct chard_outcome *o, const char *name, const char *json)
{
        struct problem fault = { 0 };
        struct plugin_call *c = of_outcome(o);
        int rc = 1;
        if (!c)
                return CHARD_BROKEN;
        json_t *value = plugin_texts(name, "", "", &fault) && is_free(name, &fault) && plugin_is_task(c, &fault)
                                ? plugin_parsed(json, &fault)
                                : NULL;
        if (value)
                rc = outcome_section(c->out, name, value);
        return plugin_added(c, "section", name, rc, &fault);
}

static int plugin_event(struct chard_outcome *o, const char *of_type, const char *of_id, const char *type,
                        const char *json)
{
        struct problem fault = { 0 };
        struct plugin_call *c = of_outcome(o);
        int rc = 1;
        if (!c)
                return CHARD_BROKEN;
        json_t *value = plugin_texts(of_type, of_id, type, &fault) ? plugin_parsed(json, &fault) : NULL;
        if (value)
                rc = outcome_event(c->out, of_type, of_id, type, value);
        return plugin_added(c, "event", type, rc, &fault);
}

static int plugin_task_write_fact(struct chard_outcome *o, enum fact_mode mode, const char *kind, const char *owner,
                                  const char *key, const char *json)
{
        struct problem fault = { 0 };
        struct plugin_call *c = of_outcome(o);
        int rc = 1;
        if (!c)
                return CHARD_BROKEN;
        json_t *value = plugin_texts(kind, owner, key, &fault) ? plugin_parsed(json, &fault) : NULL;
        if (value)
                rc = mode == FACT_ONCE ? outcome_fact_once(c->out, kind, owner, key, value)
                                       : outcome_fact_merge(c->out, kind, owner, key, value);
        return plugin_added(c, "fact", key, rc, &fault);
}

static int fact_once(struct chard_outcome *o, const char *kind, const char *owner, const char *key, const char *json)
{
        return plugin_task_write_fact(o, FACT_ONCE, kind, owner, key, json);
}

static int fact_merge(struct chard_outcome *o, const char *kind, const char *owner, const char *key, const char *json)
{
        return plugin_task_write_fact(o, FACT_MERGE, kind, owner, key, json);
}

static int plugin_result(struct chard_outcome *o, const char *json)
{
        struct problem fault = { 0 };
        struct plugin_call *c = of_outcome(o);
        if (!c)
                return CHARD_BROKEN;
        json_t *value = plugin_is_task(c, &fault) ? plugin_parsed(json, &fault) : NULL;
        return plugin_added(c, "result", "", value ? outcome_result(c->out, value) : 1, &fault);
}

static int send_canvas(struct chard_outcome *o, int how, const char *canvas)
{
        static int (*const sendings[])(struct outcome *, json_t *) = {
                [CHARD_BESIDE] = outcome_send,
                [CHARD_AS_RESULT] = outcome_canvas,
                [CHARD_REPLACEMENT] = outcome_replace,
                [CHARD_INTO_CHORD] = outcome_add_to_chord,
        };
        struct problem fault = { 0 };
        struct plugin_call *c = of_outcome(o);
        if (!c || how < CHARD_BESIDE || how > (c->consumes ? CHARD_BESIDE : CHARD_INTO_CHORD))
                return CHARD_BROKEN;
        json_t *value = plugin_parsed(canvas, &fault);
        return plugin_added(c, "canvas", "", value ? sendings[how](c->out, value) : 1, &fault);
}

static const struct chard_calls calls = {
        .size = sizeof(calls),
        .find = plugin_task_find,
        .find_reply = find_reply,
        .fact = plugin_fact,
        .quote = plugin_quote,
        .allocate = plugin_task_allocate,
        .refuse = plugin_task_refuse,
        .say = plugin_task_say,
        .section = plugin_section,
        .event = plugin_event,
        .fact_once = fact_once,
        .fact_merge = fact_merge,
        .find_about = find_about,
        .raise = raise_exception,
        .retry = plugin_task_retry,
        .result = plugin_result,
        .send = send_canvas,
};

/* ---- calling ---- */

static const struct plugin_task *task_of(const struct task_def *def)
{
        return (const struct plugin_task *)def;
}

struct plugin_call *plugin_enter(const struct task_input *in, struct problem *why)
{
        struct plugin_call *c = task_of(in->task->def)->call;
        *c = (struct plugin_call){ .input = { &calls },
                                   .request = { &calls },
                                   .reply = { &calls },
                                   .outcome = { &calls },
                                   .in = in,
                                   .why = why };
        under_way = c;
        plugin_watch_begin(in->task->def->name, in->task->def->deadline_ms);
        return c;
}

int plugin_leave(int said)
{
        plugin_watch_end();
        json_decref(under_way->arguments);
        json_decref(under_way->about);
        under_way->arguments = under_way->about = NULL;
        under_way = NULL;
        return said;
}

/* A plug-in's verdict in the engine's terms. A bug is no lack of memory, which the engine would have tried again at once: the task
 * is dead, and an operator can send it back once the plug-in is mended. */
int plugin_verdict(int said, const struct task_def *def, struct problem *why)
{
        if (said == CHARD_DONE)
                return 0;
        if (said == CHARD_AGAIN) {
                if (why && !why->code[0])
                        problem_set(why, "task", "retry", "%.200s wants to be tried again", def->name);
                return TASK_AGAIN;
        }
        if (said == CHARD_ELSEWHERE) {
                problem_set(why, "task", "elsewhere", "%.200s wants to run elsewhere", def->name);
                return TASK_ELSEWHERE;
        }
        if (why && why->code[0])
                return 1;
        if (said == CHARD_REFUSE)
                return problem_set(why, "task", "refused", "%.200s refused it without saying why", def->name);
        return problem_set(why, "task", "broken_task", "%.200s returned %d, which says that it is broken", def->name,
                           said);
}

static int plugin_task_ask(const struct task_input *in, struct ai_request *request, struct problem *why)
{
        const int rc = ask_begin(in, request);
        if (rc)
                return rc;
        struct plugin_call *c = plugin_enter(in, why);
        c->asked = request;
        return plugin_verdict(plugin_leave(task_of(in->task->def)->theirs->ask(&c->input, &c->request)), in->task->def,
                              why);
}

static int plugin_conclude(const struct task_input *in, const struct ai_reply *reply, struct outcome *out,
                           struct problem *why)
{
        struct plugin_call *c = plugin_enter(in, why);
        c->answered = reply;
        c->out = out;
        return plugin_verdict(plugin_leave(task_of(in->task->def)->theirs->conclude(&c->input, &c->reply, &c->outcome)),
                              in->task->def, why);
}

static int plugin_task_run(const struct task_input *in, struct outcome *out, struct problem *why)
{
        struct plugin_call *c = plugin_enter(in, why);
        c->out = out;
        return plugin_verdict(plugin_leave(task_of(in->task->def)->theirs->run(&c->input, &c->outcome)), in->task->def,
                              why);
}

static int plugin_task_overdue(const struct task_input *in, struct outcome *out, struct problem *why)
{
        struct plugin_call *c = plugin_enter(in, why);
        c->out = out;
        return plugin_verdict(plugin_leave(task_of(in->task->def)->theirs->overdue(&c->input, &c->outcome)),
                              in->task->def, why);
}

static int plugin_offline(const struct task_input *in, json_t **answer, struct problem *why)
{
        const struct task_def *def = in->task->def;
        const struct plugin_call *c = plugin_enter(in, why);
        const char *text = NULL;
        int rc = plugin_verdict(plugin_leave(task_of(def)->theirs->offline(&c->input, &text)), def, why);
        if (rc == 0)
                *answer = plugin_parsed(text, why);
        if (rc == 0 && !*answer)
                rc = problem_set(why, "task", "broken_task", "the offline answer of %.200s is no JSON", def->name);
        return rc;
}

/* Its prompts, as the engine has them. */
static int fill_prompts(struct plugin_task *t, const struct chard_prompt *from)
{
        size_t count = 0;
        while (from && from[count].lang)
                count++;
        if (count == 0)
                return 0;
        t->prompts = calloc(count + 1, sizeof(*t->prompts));
        if (!t->prompts)
                return -ENOMEM;
        for (size_t i = 0; i < count; i++)
                t->prompts[i] = (struct task_prompt){ from[i].lang, from[i].text };
        t->def.prompts = t->prompts;
        return 0;
}

void plugin_task_clear(struct plugin_task *t)
{
        free(t->prompts);
        t->prompts = NULL;
}

int plugin_task_fill(struct plugin_task *t, const struct chard_task *from, struct plugin_call *call)
{
        const bool vision = from->model && strcmp(from->model, "vision") == 0;
        *t = (struct plugin_task){
                .theirs = from,
                .call = call,
                .def = {
                        .name = from->name,
                        .queue = from->queue,
                        .model = vision ? AI_MODEL_VISION : from->model ? from->model : AI_MODEL_TEXT,
                        .retry = { from->retry_limit, from->retry_base_ms, from->retry_cap_ms },
                        .deadline_ms = from->deadline_ms,
                        .connect_timeout_ms = from->connect_timeout_ms,
                        .time_limit_ms = from->time_limit_ms,
                        .soft_time_limit_ms = from->soft_time_limit_ms,
                        .flags = ((from->flags & CHARD_STATELESS) ? TASK_STATELESS : 0U) |
                                 ((from->flags & CHARD_DIAGNOSTIC) ? TASK_DIAGNOSTIC : 0U) |
                                 ((from->flags & CHARD_PLAIN) ? TASK_PLAIN : 0U) |
                                 ((from->flags & CHARD_ERRBACK) ? TASK_ERRBACK : 0U),
                        .schema = from->schema,
                        .ask = from->ask ? plugin_task_ask : NULL,
                        .conclude = from->conclude ? plugin_conclude : NULL,
                        .offline = from->offline ? plugin_offline : NULL,
                        .run = from->run ? plugin_task_run : NULL,
                        .overdue = from->overdue ? plugin_task_overdue : NULL,
                },
        };
        for (size_t i = 0; i < TASK_MOST_SECTIONS && from->adds[i]; i++)
                t->def.adds[i] = from->adds[i];
        for (size_t i = 0; i < TASK_MOST_SEES && from->sees[i].kind; i++)
                t->def.sees[i] = (struct task_sees){ from->sees[i].kind, from->sees[i].owner };
        return fill_prompts(t, from->prompts);
}
