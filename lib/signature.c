/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures: built as the JSON that Celery makes of its own. */
#include "core/bytes.h"
#include "core/json.h"
#include "core/utf8.h"
#include "lib/lib.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST_NAME = 255 };

static struct chard_signature *wrap(json_t *takes, struct chard_error *why)
{
        struct chard_signature *s = takes ? calloc(1, sizeof(*s)) : NULL;
        if (!s) {
                json_decref(takes);
                lib_no_memory(why);
                return NULL;
        }
        s->json = takes;
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
static json_t *parse(const char *text, const char *what, bool array, struct chard_error *why)
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
        json_t *list = parse(args, "args", true, why);
        json_t *words = list ? parse(kwargs, "kwargs", false, why) : NULL;
        if (!words) {
                json_decref(list);
                return NULL;
        }
        return wrap(json_pack("{s:s, s:o, s:o, s:{}, s:n, s:b}", "task", task, "args", list, "kwargs", words, "options",
                              "subtask_type", "immutable", 0),
                    why);
}

/* ---- canvases ---- */

enum canvas_kind canvas_kind(const json_t *signature)
{
        const char *type = json_text(signature, "subtask_type", "");
        if (strcmp(type, "chain") == 0)
                return CANVAS_CHAIN;
        if (strcmp(type, "group") == 0)
                return CANVAS_GROUP;
        return strcmp(type, "chord") == 0 ? CANVAS_CHORD : CANVAS_TASK;
}

json_t *canvas_parts(const json_t *signature)
{
        return json_object_get(json_object_get(signature, "kwargs"), "tasks");
}

static json_t *canvas_of(const char *task, const char *type, json_t *takes)
{
        return takes ? json_pack("{s:s, s:[], s:{s:o}, s:{}, s:s, s:b}", "task", task, "args", "kwargs", "tasks", takes,
                                 "options", "subtask_type", type, "immutable", 0)
                     : NULL;
}

json_t *canvas_group(json_t *takes)
{
        return canvas_of("celery.group", "group", takes);
}

json_t *canvas_chord(json_t *header_takes, json_t *body_takes)
{
        return json_pack("{s:s, s:[], s:{s:{}, s:o, s:o}, s:{}, s:s, s:b}", "task", "celery.chord", "args", "kwargs",
                         "kwargs", "header", header_takes, "body", body_takes, "options", "subtask_type", "chord",
                         "immutable", 0);
}

/* Move the parts into an array. A NULL part means that its constructor failed, and has said why. */
static json_t *gather(struct chard_signature *const parts[], size_t count, const char *what, struct chard_error *why)
{
        size_t present = 0;
        json_t *list = json_array();
        for (size_t i = 0; i < count; i++) {
                present += parts[i] != NULL;
                if (parts[i])
                        json_array_append(list, parts[i]->json);
                chard_signature_free(parts[i]);
        }
        if (list && count > 0 && json_array_size(list) == count)
                return list;
        json_decref(list);
        if (count == 0)
                lib_fail(why, CHARD_BAD_ARGUMENT, "empty_canvas", "a %s needs at least one part", what);
        else if (present == count)
                lib_no_memory(why);
        else if (!why || why->code == CHARD_OK)
                lib_fail(why, CHARD_BAD_ARGUMENT, "missing_part", "a part of the %s is NULL", what);
        return NULL;
}

struct chard_signature *chard_chain(struct chard_signature *const parts[], size_t count, struct chard_error *why)
{
        json_t *list = gather(parts, count, "chain", why);
        return list ? wrap(canvas_of("celery.chain", "chain", list), why) : NULL;
}

struct chard_signature *chard_group(struct chard_signature *const parts[], size_t count, struct chard_error *why)
{
        json_t *list = gather(parts, count, "group", why);
        return list ? wrap(canvas_group(list), why) : NULL;
}

struct chard_signature *chard_chord(struct chard_signature *header, struct chard_signature *body,
                                    struct chard_error *why)
{
        struct chard_signature *const both[] = { header, body };
        JSON_OWNED json_t *list = gather(both, 2, "chord", why);
        json_t *head = json_incref(json_array_get(list, 0)), *tail = json_incref(json_array_get(list, 1));
        if (!list)
                return NULL;
        if (canvas_kind(head) != CANVAS_GROUP)
                head = canvas_group(json_pack("[o]", head));
        return wrap(canvas_chord(head, tail), why);
}

/* ---- options ---- */

static int only_tasks(const struct chard_signature *s, const char *what, struct chard_error *why)
{
        if (!s)
                return lib_fail(why, CHARD_BAD_ARGUMENT, "missing_part", "%s: there is no signature", what);
        if (canvas_kind(s->json) != CANVAS_TASK)
                return lib_fail(why, CHARD_BAD_ARGUMENT, "not_a_task", "%s: set it on the tasks of the canvas", what);
        return CHARD_OK;
}

static int put(struct chard_signature *s, const char *name, json_t *takes, struct chard_error *why)
{
        const int code = only_tasks(s, name, why);
        if (code) {
                json_decref(takes);
                return code;
        }
        if (!takes || json_object_set_new(json_object_get(s->json, "options"), name, takes) != 0)
                return lib_no_memory(why);
        return CHARD_OK;
}

static int put_name(struct chard_signature *s, const char *option, const char *text, struct chard_error *why)
{
        if (!is_name(text))
                return lib_fail(why, CHARD_BAD_ARGUMENT, "bad_name", "%s must have 1 to 255 bytes of UTF-8", option);
        return put(s, option, json_string(text), why);
}

int chard_signature_queue(struct chard_signature *s, const char *queue, struct chard_error *why)
{
        return put_name(s, "queue", queue, why);
}

int chard_signature_route(struct chard_signature *s, const char *exchange, const char *routing_key,
                          struct chard_error *why)
{
        const int code = put_name(s, "routing_key", routing_key, why);
        if (code)
                return code;
        return exchange && !*exchange ? put(s, "exchange", json_string(""), why)
                                      : put_name(s, "exchange", exchange, why);
}

int chard_signature_id(struct chard_signature *s, const char *id, struct chard_error *why)
{
        return put_name(s, "task_id", id, why);
}

int chard_signature_immutable(struct chard_signature *s, struct chard_error *why)
{
        const int code = only_tasks(s, "immutable", why);
        return code                                                          ? code
               : json_object_set_new(s->json, "immutable", json_true()) == 0 ? CHARD_OK
                                                                             : lib_no_memory(why);
}

/* The member of the options with that name, made where it is missing; NULL when memory ran out. */
static json_t *member(struct chard_signature *s, const char *name, json_t *(*make)(void))
{
        json_t *options = json_object_get(s->json, "options");
        if (!json_object_get(options, name))
                json_object_set_new(options, name, make());
        return json_object_get(options, name);
}

int chard_signature_header(struct chard_signature *s, const char *name, const char *text, struct chard_error *why)
{
        const int code = only_tasks(s, "header", why);
        if (code)
                return code;
        json_t *value = is_name(name) && text ? json_string(text) : NULL;
        if (!value)
                return lib_fail(why, CHARD_BAD_ARGUMENT, "bad_header",
                                "a header needs a name of 1 to 255 bytes and a text, both UTF-8");
        json_t *headers = member(s, "headers", json_object);
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
        return put(s, name, value, why);
}

static int append(struct chard_signature *s, const char *option, struct chard_signature *then, struct chard_error *why)
{
        int code = only_tasks(s, option, why);
        if (code == CHARD_OK)
                code = only_tasks(then, option, why);
        json_t *list = code == CHARD_OK ? member(s, option, json_array) : NULL;
        if (code == CHARD_OK && (!list || json_array_append(list, then->json) != 0))
                code = lib_no_memory(why);
        chard_signature_free(then);
        return code;
}

int chard_signature_link(struct chard_signature *s, struct chard_signature *then, struct chard_error *why)
{
        return append(s, "link", then, why);
}

int chard_signature_link_error(struct chard_signature *s, struct chard_signature *then, struct chard_error *why)
{
        return append(s, "link_error", then, why);
}
