/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures: built as the JSON that Celery makes of its own. */
#include "core/bytes.h"

#include "core/json.h"
#include "core/text/utf8.h"
#include "lib/lib.h"
#include "message/canvas/parts.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST_NAME = 255, DEEPEST = 100 };

static struct chard_signature *signature_wrap(json_t *takes, unsigned depth, struct chard_error *why)
{
        struct chard_signature *s = takes ? calloc(1, sizeof(*s)) : NULL;
        if (!s) {
                json_decref(takes);
                lib_no_memory(why);
                return NULL;
        }
        s->json = takes;
        s->depth = depth;
        return s;
}

void chard_signature_free(struct chard_signature *s)
{
        if (!s)
                return;
        json_decref(s->json);
        free(s);
}

/* ---- a task ---- */

static bool is_name(const char *text)
{
        JSON_OWNED json_t *value = text ? json_string(text) : NULL; /* NULL for what is no UTF-8 */
        return value && *text && strlen(text) <= LONGEST_NAME;
}

/* Parse what must be an array or object; NULL is an empty one. */
static json_t *signature_parse(const char *text, const char *what, bool array, struct chard_error *why)
{
        struct problem p = { 0 };
        json_t *value = NULL;
        if (!text)
                return array ? json_array() : json_object();
        if (json_parse(bytes_of_string(text), what, &value, &p) != 0) {
                lib_fail(why, CHARD_BAD_ARGUMENT, "bad_json", "%s: %s", what, p.text);
                return NULL;
        }
        if (array ? json_is_array(value) : json_is_object(value))
                return value;
        json_decref(value);
        lib_fail(why, CHARD_BAD_ARGUMENT, "bad_json", "%s must be a JSON %s", what, array ? "array" : "object");
        return NULL;
}

struct chard_signature *chard_signature_new(const char *task, const char *args, const char *kwargs,
                                            struct chard_error *why)
{
        if (!is_name(task)) {
                lib_fail(why, CHARD_BAD_ARGUMENT, "bad_name", "a task's name must have 1 to 255 bytes of UTF-8");
                return NULL;
        }
        json_t *list = signature_parse(args, "args", true, why);
        json_t *words = list ? signature_parse(kwargs, "kwargs", false, why) : NULL;
        if (!words) {
                json_decref(list);
                return NULL;
        }
        return signature_wrap(json_pack("{s:s, s:o, s:o, s:{}, s:n, s:b}", "task", task, "args", list, "kwargs", words,
                                        "options", "subtask_type", "immutable", 0),
                              0, why);
}

/* ---- canvases ---- */

/* Move the parts into an array. A NULL part means that its constructor failed, and has said why. */
struct gathered {
        json_t *list; /* NULL = failed, and `why` says so */
        unsigned depth;
};

static int why_not(size_t count, bool missing, const char *what, struct chard_error *why)
{
        if (count == 0)
                return lib_fail(why, CHARD_BAD_ARGUMENT, "empty_canvas", "a %s needs at least one part", what);
        if (!missing)
                return lib_no_memory(why);
        if (!why || why->code == CHARD_OK)
                return lib_fail(why, CHARD_BAD_ARGUMENT, "missing_part", "a part of the %s is NULL", what);
        return why->code;
}

/* A chain that begins with a chain goes on with it, so that one may grow step by step. (Not when that one begins with a group: what it
 * becomes then depends on what follows.) */
static bool signature_goes_on(const struct chard_signature *s)
{
        return s && canvas_kind_of(s->json) == CANVAS_CHAIN &&
               canvas_kind_of(json_array_get(canvas_tasks(s->json), 0)) == CANVAS_TASK;
}

/* Frees the parts, of which the first may be one to go on with. Freeing JSON goes as deep as it nests, so that has an end. */
static struct gathered signature_gather(struct chard_signature *const parts[], size_t count, bool on, const char *what,
                                        struct chard_error *why)
{
        struct gathered g = { json_array(), 0 };
        bool missing = !parts;
        for (size_t i = 0; parts && i < count; i++) {
                missing = missing || !parts[i];
                if (parts[i]) {
                        const unsigned depth = parts[i]->depth + (i == 0 && on ? 0 : 1);
                        g.depth = depth > g.depth ? depth : g.depth;
                        json_array_append(g.list, parts[i]->json);
                }
                chard_signature_free(parts[i]);
        }
        const bool whole = g.list && count > 0 && json_array_size(g.list) == count;
        if (whole && g.depth <= DEEPEST)
                return g;
        json_decref(g.list);
        g.list = NULL;
        if (whole)
                lib_fail(why, CHARD_UNSUPPORTED, "unsupported_canvas", "the %s is nested more than %d deep", what,
                         DEEPEST);
        else
                why_not(count, missing, what, why);
        return g;
}

/* The first chain's steps, then the others. Takes the list. */
static json_t *signature_spliced(json_t *list_takes)
{
        json_t *all = json_copy(canvas_tasks(json_array_get(list_takes, 0)));
        json_array_remove(list_takes, 0);
        if (json_array_extend(all, list_takes) != 0) {
                json_decref(all);
                all = NULL;
        }
        json_decref(list_takes);
        return all;
}

struct chard_signature *chard_chain(struct chard_signature *const parts[], size_t count, struct chard_error *why)
{
        const bool on = parts && count > 1 && signature_goes_on(parts[0]);
        const struct gathered g = signature_gather(parts, count, on, "chain", why);
        return g.list ? signature_wrap(canvas_chain(on ? signature_spliced(g.list) : g.list), g.depth, why) : NULL;
}

struct chard_signature *chard_group(struct chard_signature *const parts[], size_t count, struct chard_error *why)
{
        const struct gathered g = signature_gather(parts, count, false, "group", why);
        return g.list ? signature_wrap(canvas_group(g.list), g.depth, why) : NULL;
}

struct chard_signature *chard_chord(struct chard_signature *header, struct chard_signature *body,
                                    struct chard_error *why)
{
        struct chard_signature *const both[] = { header, body };
        const struct gathered g = signature_gather(both, 2, false, "chord", why);
        JSON_OWNED json_t *list = g.list;
        json_t *head = json_incref(json_array_get(list, 0)), *tail = json_incref(json_array_get(list, 1));
        if (!list)
                return NULL;
        if (canvas_kind_of(head) != CANVAS_GROUP)
                head = canvas_group(json_pack("[o]", head));
        return signature_wrap(canvas_chord(head, tail), g.depth, why);
}

/* ---- options ---- */

static int signature_only_tasks(const struct chard_signature *s, const char *what, struct chard_error *why)
{
        if (!s)
                return lib_fail(why, CHARD_BAD_ARGUMENT, "missing_part", "%s: there is no signature", what);
        if (canvas_kind_of(s->json) != CANVAS_TASK)
                return lib_fail(why, CHARD_BAD_ARGUMENT, "not_a_task", "%s: set it on the tasks of the canvas", what);
        return CHARD_OK;
}

static int signature_put(struct chard_signature *s, const char *name, json_t *takes, struct chard_error *why)
{
        const int code = signature_only_tasks(s, name, why);
        if (code) {
                json_decref(takes);
                return code;
        }
        if (!takes || json_object_set_new(json_object_get(s->json, "options"), name, takes) != 0)
                return lib_no_memory(why);
        return CHARD_OK;
}

static int signature_put_name(struct chard_signature *s, const char *option, const char *text, struct chard_error *why)
{
        if (!is_name(text))
                return lib_fail(why, CHARD_BAD_ARGUMENT, "bad_name", "%s must have 1 to 255 bytes of UTF-8", option);
        return signature_put(s, option, json_string(text), why);
}

int chard_signature_queue(struct chard_signature *s, const char *queue, struct chard_error *why)
{
        return signature_put_name(s, "queue", queue, why);
}

int chard_signature_route(struct chard_signature *s, const char *exchange, const char *routing_key,
                          struct chard_error *why)
{
        const int code = signature_put_name(s, "routing_key", routing_key, why);
        if (code)
                return code;
        return exchange && !*exchange ? signature_put(s, "exchange", json_string(""), why)
                                      : signature_put_name(s, "exchange", exchange, why);
}

int chard_signature_id(struct chard_signature *s, const char *id, struct chard_error *why)
{
        return signature_put_name(s, "task_id", id, why);
}

int chard_signature_immutable(struct chard_signature *s, struct chard_error *why)
{
        const int code = signature_only_tasks(s, "immutable", why);
        return code                                                          ? code
               : json_object_set_new(s->json, "immutable", json_true()) == 0 ? CHARD_OK
                                                                             : lib_no_memory(why);
}

/* The member of the options with that name, made where it is missing; NULL when memory ran out. */
static json_t *signature_member(struct chard_signature *s, const char *name, json_t *(*make)(void))
{
        json_t *options = json_object_get(s->json, "options");
        if (!json_object_get(options, name))
                json_object_set_new(options, name, make());
        return json_object_get(options, name);
}

int chard_signature_header(struct chard_signature *s, const char *name, const char *text, struct chard_error *why)
{
        const int code = signature_only_tasks(s, "header", why);
        if (code)
                return code;
        json_t *value = is_name(name) && text ? json_string(text) : NULL;
        if (!value)
                return lib_fail(why, CHARD_BAD_ARGUMENT, "bad_header",
                                "a header needs a name of 1 to 255 bytes and a text, both UTF-8");
        json_t *headers = signature_member(s, "headers", json_object);
        if (!headers)
                json_decref(value);
        return headers && json_object_set_new(headers, name, value) == 0 ? CHARD_OK : lib_no_memory(why);
}

int chard_signature_option(struct chard_signature *s, const char *name, const char *json, struct chard_error *why)
{
        static const char *const known[] = { "priority", "countdown",       "eta",     "expires",       "time_limit",
                                             "shadow",   "soft_time_limit", "retries", "ignore_result", NULL };
        struct problem p = { 0 };
        json_t *value = NULL;
        size_t i = 0;
        while (known[i] && (!name || strcmp(known[i], name) != 0))
                i++;
        if (!known[i])
                return lib_fail(why, CHARD_BAD_ARGUMENT, "unknown_option", "there is no option \"%.60s\" to set",
                                name ? name : "");
        if (!json || json_parse(bytes_of_string(json), name, &value, &p) != 0)
                return lib_fail(why, CHARD_BAD_ARGUMENT, "bad_json", "%s: %s", name, json ? p.text : "no JSON");
        return signature_put(s, name, value, why);
}

static int signature_append(struct chard_signature *s, const char *option, struct chard_signature *then,
                            struct chard_error *why)
{
        int code = signature_only_tasks(s, option, why);
        if (code == CHARD_OK)
                code = signature_only_tasks(then, option, why);
        json_t *list = code == CHARD_OK ? signature_member(s, option, json_array) : NULL;
        if (code == CHARD_OK && then->depth >= DEEPEST)
                code = lib_fail(why, CHARD_UNSUPPORTED, "unsupported_canvas", "%s: links nest more than %d deep",
                                option, DEEPEST);
        if (code == CHARD_OK && (!list || json_array_append(list, then->json) != 0))
                code = lib_no_memory(why);
        if (code == CHARD_OK && s->depth <= then->depth)
                s->depth = then->depth + 1;
        chard_signature_free(then);
        return code;
}

int chard_signature_link(struct chard_signature *s, struct chard_signature *then, struct chard_error *why)
{
        return signature_append(s, "link", then, why);
}

int chard_signature_link_error(struct chard_signature *s, struct chard_signature *then, struct chard_error *why)
{
        return signature_append(s, "link_error", then, why);
}
