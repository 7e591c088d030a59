/* SPDX-License-Identifier: Apache-2.0 */
/* Between the engine's types and those of include/chard.h: JSON as values here, as text there. */
#include "core/bytes.h"
#include "core/json.h"
#include "core/utf8.h"
#include "tasks/plugin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What stands behind the opaque structs. Each begins with the part that plug-ins see. */
struct input {
        struct chard_input face;
        const struct task_input *in;
        struct problem *why;
};
struct request {
        struct chard_request face;
        const struct task_input *in;
        struct ai_request *request;
};
struct reply {
        struct chard_reply face;
        const struct task_input *in;
        const struct ai_reply *reply;
};
struct outcome_of {
        struct chard_outcome face;
        const struct task_input *in;
        struct outcome *out;
        struct problem *why;
};

/* ---- reading ---- */

static size_t unescape(const char *token, size_t size, char *out)
{
        size_t used = 0;
        for (size_t i = 0; i < size; i++) {
                const bool escape = token[i] == '~' && i + 1 < size && (token[i + 1] == '0' || token[i + 1] == '1');
                if (escape)
                        i++;
                out[used++] = escape ? (token[i] == '0' ? '~' : '/') : token[i];
        }
        return used;
}

static const json_t *element(const json_t *array, const char *token, size_t size)
{
        size_t index = 0;
        if (size == 0 || size > 9 || (size > 1 && token[0] == '0') || strspn(token, "0123456789") < size)
                return NULL;
        for (size_t i = 0; i < size; i++)
                index = index * 10 + (size_t)(token[i] - '0');
        return json_array_get(array, index);
}

/* RFC 6901. */
static const json_t *at_pointer(const json_t *value, const char *pointer)
{
        char key[256];
        while (value && *pointer) {
                const size_t size = strcspn(pointer + 1, "/");
                if (*pointer != '/' || size > sizeof(key))
                        return NULL;
                if (json_is_array(value))
                        value = element(value, pointer + 1, size);
                else
                        value = json_object_getn(value, key, unescape(pointer + 1, size, key));
                pointer += 1 + size;
        }
        return value;
}

static const char *told(const struct task_input *in, const json_t *value, const char *pointer, int as_json)
{
        value = at_pointer(value, pointer);
        if (!value)
                return NULL;
        return as_json ? ask_json(in, value) : json_string_value(value);
}

static const char *find(const struct chard_input *in, const char *pointer, int as_json)
{
        const struct task_input *mine = ((const struct input *)in)->in;
        return told(mine, mine->document, pointer, as_json);
}

static const char *find_reply(const struct chard_reply *r, const char *pointer, int as_json)
{
        const struct reply *mine = (const struct reply *)r;
        return told(mine->in, mine->reply->content, pointer, as_json);
}

static const char *owned(const struct chard_input *in)
{
        const struct task_input *mine = ((const struct input *)in)->in;
        return mine->owned ? ask_json(mine, mine->owned) : NULL;
}

static const char *quote(const struct chard_input *in, const char *text)
{
        JSON_OWNED json_t *value = text ? json_string(text) : NULL;
        return value ? ask_json(((const struct input *)in)->in, value) : "null";
}

static char *allocate(const struct chard_input *in, size_t size)
{
        return arena_alloc(((const struct input *)in)->in->arena, size);
}

/* ---- answering ---- */

static int refuse(const struct chard_input *in, const char *name, const char *text)
{
        problem_set(((const struct input *)in)->why, "task", name && *name ? name : "refused", "%s", text ? text : "");
        return CHARD_REFUSE;
}

static int say(struct chard_request *r, const char *role, int part, const char *text)
{
        const struct request *mine = (const struct request *)r;
        const bool user = role && strcmp(role, "user") == 0;
        if (!text || (!user && (!role || strcmp(role, "assistant") != 0)))
                return CHARD_BROKEN;
        const char *kept = arena_string(mine->in->arena, text);
        return ask_say(mine->in, mine->request, user ? "user" : "assistant",
                       part == CHARD_IMAGE_URL ? AI_IMAGE_URL : AI_TEXT, kept) == 0
                       ? CHARD_DONE
                       : CHARD_BROKEN;
}

static json_t *parsed(const char *json, struct problem *why)
{
        json_t *value = NULL;
        if (!json)
                problem_set(why, "task", "bad_json", "there is no JSON");
        else
                json_parse(bytes_of_string(json), "task", &value, why);
        return value;
}

/* A part of the outcome that can't be added is a bug of the plug-in: say which, and let its verdict count. */
static int added(struct chard_outcome *o, const char *what, const char *name, int rc, const struct problem *fault)
{
        const struct outcome_of *mine = (const struct outcome_of *)o;
        if (rc == 0)
                return CHARD_DONE;
        problem_set(mine->why, "task", "broken_task", "the %s \"%.100s\" of %.100s: %s", what, name ? name : "",
                    mine->in->def->name, fault->text[0] ? fault->text : "a text is missing, or memory ran out");
        return CHARD_BROKEN;
}

static int section(struct chard_outcome *o, const char *name, const char *json)
{
        struct problem fault = { 0 };
        json_t *value = parsed(json, &fault);
        const int rc = value && name ? outcome_section(((struct outcome_of *)o)->out, name, json_incref(value)) : 1;
        json_decref(value);
        return added(o, "section", name, rc, &fault);
}

static int event(struct chard_outcome *o, const char *of_type, const char *of_id, const char *type, const char *json)
{
        struct problem fault = { 0 };
        struct outcome *out = ((struct outcome_of *)o)->out;
        json_t *value = parsed(json, &fault);
        int rc = 1;
        if (value && of_type && of_id && type)
                rc = outcome_event(out, of_type, of_id, type, json_incref(value));
        json_decref(value);
        return added(o, "event", type, rc, &fault);
}

static int profile(struct chard_outcome *o, const char *user_id, const char *field, const char *json)
{
        struct problem fault = { 0 };
        struct outcome *out = ((struct outcome_of *)o)->out;
        json_t *value = parsed(json, &fault);
        int rc = 1;
        if (value && user_id && field)
                rc = outcome_write(out, ROW_PROFILE_FIELD, user_id, field, json_incref(value));
        json_decref(value);
        return added(o, "profile field", field, rc, &fault);
}

static int grant(struct chard_outcome *o, const char *user_id, const char *code)
{
        const struct problem fault = { 0 };
        struct outcome *out = ((struct outcome_of *)o)->out;
        return added(o, "character", code,
                     user_id && code ? outcome_write(out, ROW_CHARACTER_GRANT, user_id, code, NULL) : 1, &fault);
}

static const struct chard_calls calls = {
        .size = sizeof(calls),
        .find = find,
        .find_reply = find_reply,
        .owned = owned,
        .quote = quote,
        .allocate = allocate,
        .refuse = refuse,
        .say = say,
        .section = section,
        .event = event,
        .profile = profile,
        .grant = grant,
};

/* ---- calling ---- */

static const struct chard_task *theirs(const struct task_def *def)
{
        return ((const struct plugin_task *)def)->theirs;
}

static struct input input_of(const struct task_input *in, struct problem *why)
{
        return (struct input){ { &calls }, in, why };
}

/* A plug-in's verdict in the engine's terms. A bug is no lack of memory, which the engine would have tried again at once: the task
 * is dead, and an operator can send it back once the plug-in is mended. */
static int verdict(int said, const struct task_def *def, struct problem *why)
{
        if (said == CHARD_DONE)
                return 0;
        if (why && why->code[0])
                return 1;
        if (said == CHARD_REFUSE)
                return problem_set(why, "task", "refused", "%.200s refused it without saying why", def->name);
        return problem_set(why, "task", "broken_task", "%.200s returned %d, which says that it is broken", def->name,
                           said);
}

static int ask(const struct task_input *in, struct ai_request *request, struct problem *why)
{
        const struct input input = input_of(in, why);
        struct request out = { { &calls }, in, request };
        const int rc = ask_begin(in, in->def, request);
        return rc ? rc : verdict(theirs(in->def)->ask(&input.face, &out.face), in->def, why);
}

static int conclude(const struct task_input *in, const struct ai_reply *reply, struct outcome *out, struct problem *why)
{
        const struct input input = input_of(in, why);
        const struct reply answer = { { &calls }, in, reply };
        struct outcome_of result = { { &calls }, in, out, why };
        return verdict(theirs(in->def)->conclude(&input.face, &answer.face, &result.face), in->def, why);
}

static int run(const struct task_input *in, struct outcome *out, struct problem *why)
{
        const struct input input = input_of(in, why);
        struct outcome_of result = { { &calls }, in, out, why };
        return verdict(theirs(in->def)->run(&input.face, &result.face), in->def, why);
}

static int offline(const struct ai_request *request, json_t **answer, struct problem *why)
{
        struct arena arena = { 0 };
        const struct task_def *def = task_find(request->task);
        const struct task_input in = { .document = request->facts, .arena = &arena, .def = def };
        const struct input input = input_of(&in, why);
        const char *text = NULL;
        int rc = verdict(theirs(def)->offline(&input.face, &text), def, why);
        if (rc == 0)
                *answer = parsed(text, why);
        if (rc == 0 && !*answer)
                rc = problem_set(why, "task", "broken_task", "the offline answer of %.200s is no JSON", def->name);
        arena_free(&arena);
        return rc;
}

void plugin_task_fill(struct plugin_task *t, const struct chard_task *from)
{
        const bool vision = from->model && strcmp(from->model, "vision") == 0;
        *t = (struct plugin_task){
                .theirs = from,
                .def = {
                        .name = from->name,
                        .queue = from->queue,
                        .model = vision ? AI_MODEL_VISION : from->model,
                        .retry = { from->retry_limit, from->retry_base_ms, from->retry_cap_ms },
                        .deadline_ms = from->deadline_ms,
                        .connect_timeout_ms = from->connect_timeout_ms,
                        .flags = ((from->flags & CHARD_STATELESS) ? TASK_STATELESS : 0U) |
                                 ((from->flags & CHARD_READS_OWNED) ? TASK_READS_OWNED : 0U) |
                                 ((from->flags & CHARD_DIAGNOSTIC) ? TASK_DIAGNOSTIC : 0U),
                        .prompt = { from->prompt_ko, from->prompt_en },
                        .schema = from->schema,
                        .ask = from->ask ? ask : NULL,
                        .conclude = from->conclude ? conclude : NULL,
                        .offline = from->offline ? offline : NULL,
                        .run = from->run ? run : NULL,
                },
        };
        for (size_t i = 0; i < TASK_MOST_SECTIONS && from->adds[i]; i++)
                t->def.adds[i] = from->adds[i];
}
