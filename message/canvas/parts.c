/* SPDX-License-Identifier: Apache-2.0 */
#include "message/canvas/canvas.h"
#include "message/canvas/derived_id.h"

#include <stdio.h>
#include <string.h>

static const char *text_of(const json_t *value, const char *key)
{
        return json_string_value(json_object_get(value, key));
}

enum canvas_kind canvas_kind_of(const json_t *signature)
{
        static const struct {
                const char *type;
                enum canvas_kind kind;
        } kinds[] = { { "group", CANVAS_GROUP }, { "chain", CANVAS_CHAIN }, { "chord", CANVAS_CHORD } };
        const char *type = text_of(signature, "subtask_type");
        for (size_t i = 0; type && i < sizeof(kinds) / sizeof(kinds[0]); i++)
                if (strcmp(type, kinds[i].type) == 0)
                        return kinds[i].kind;
        return CANVAS_TASK;
}

bool canvas_is_plain(const json_t *signature)
{
        return canvas_kind_of(signature) == CANVAS_TASK;
}

static json_t *argument(const json_t *signature, const char *key)
{
        return json_object_get(json_object_get(signature, "kwargs"), key);
}

json_t *canvas_tasks(const json_t *signature)
{
        if (canvas_kind_of(signature) != CANVAS_CHORD)
                return argument(signature, "tasks");
        json_t *header = argument(signature, "header");
        return json_is_object(header) ? argument(header, "tasks") : header;
}

json_t *canvas_body(const json_t *signature)
{
        json_t *body = argument(signature, "body");
        return json_is_object(body) ? body : NULL;
}

/* Does it give any result at all? */
static bool gives_result(const json_t *signature)
{
        switch (canvas_kind_of(signature)) {
        case CANVAS_TASK: return true;
        case CANVAS_CHORD: return gives_result(canvas_body(signature));
        case CANVAS_CHAIN:
        case CANVAS_GROUP: break;
        }
        return canvas_last(signature) != NULL;
}

json_t *canvas_last(const json_t *signature)
{
        const json_t *tasks = canvas_tasks(signature);
        for (size_t i = json_array_size(tasks); i > 0; i--) {
                json_t *task = json_array_get(tasks, i - 1);
                if (gives_result(task))
                        return task;
        }
        return NULL;
}

size_t canvas_size(const json_t *signature)
{
        const json_t *tasks = canvas_tasks(signature), *last;
        size_t sum = 0;
        switch (canvas_kind_of(signature)) {
        case CANVAS_TASK: return 1;
        case CANVAS_CHORD: return canvas_size(canvas_body(signature));
        case CANVAS_CHAIN: last = canvas_last(signature); return last ? canvas_size(last) : 0;
        case CANVAS_GROUP:
                for (size_t i = 0; i < json_array_size(tasks); i++)
                        sum += canvas_size(json_array_get(tasks, i));
                break;
        }
        return sum;
}

json_t *canvas_options(json_t *signature)
{
        json_t *options = json_object_get(signature, "options");
        if (json_is_object(options))
                return options;
        options = json_object();
        json_object_set_new(signature, "options", options);
        return options;
}

/* What a task sends after it was replaced is not what it sent before, under the same id. */
void follower_id(const struct followers *f, const char *place, size_t index, char id[ID_TEXT_SIZE])
{
        char owner[MESSAGE_MAX_NAME + 16];
        snprintf(owner, sizeof(owner), "%.*s/%u", MESSAGE_MAX_NAME, f->seed, f->of->nesting);
        derived_id(f->of->nesting ? owner : f->seed, place, index, id);
}

const char *canvas_id(struct followers *f, json_t *signature)
{
        char id[ID_TEXT_SIZE];
        json_t *options = canvas_options(signature);
        const char *given = text_of(options, "task_id");
        if (given && *given)
                return given;
        follower_id(f, "canvas", f->made++, id);
        json_object_set_new(options, "task_id", json_string(id));
        return text_of(options, "task_id");
}

void canvas_attach(struct followers *f, json_t *signature, const char *group_id, json_t *chord, json_int_t index)
{
        const enum canvas_kind kind = canvas_kind_of(signature);
        if (kind == CANVAS_CHORD && canvas_body(signature)) {
                canvas_attach(f, canvas_body(signature), group_id, chord, index);
                return;
        }
        if (kind == CANVAS_CHAIN) {
                if (canvas_last(signature))
                        canvas_attach(f, canvas_last(signature), group_id, chord, index);
                return;
        }
        json_t *options = canvas_options(signature);
        canvas_id(f, signature);
        if (group_id && !json_object_get(options, "group_id"))
                json_object_set_new(options, "group_id", json_string(group_id));
        if (chord)
                json_object_set(options, "chord", chord);
        if (index >= 0)
                json_object_set_new(options, "group_index", json_integer(index));
        if (kind != CANVAS_GROUP)
                return;
        json_t *tasks = canvas_flat(canvas_tasks(signature), true);
        for (size_t i = 0; i < json_array_size(tasks); i++)
                canvas_attach(f, json_array_get(tasks, i), group_id, chord, (json_int_t)i);
        json_decref(tasks);
}

static void append(json_t *options, const char *kind, const json_t *callbacks)
{
        json_t *have = json_object_get(options, kind);
        json_t *list = json_is_array(have) ? json_copy(have) : json_array();
        if (json_is_object(have))
                json_array_append(list, have);
        if (json_is_object(callbacks))
                json_array_append(list, (json_t *)callbacks);
        for (size_t i = 0; i < json_array_size(callbacks); i++)
                json_array_append(list, json_array_get(callbacks, i));
        json_object_set_new(options, kind, list);
}

void canvas_link(json_t *signature, const char *kind, const json_t *callbacks)
{
        json_t *tasks = canvas_tasks(signature);
        const bool all = strcmp(kind, "link_error") == 0;
        switch (canvas_kind_of(signature)) {
        case CANVAS_CHAIN:
                if (!all && canvas_last(signature))
                        canvas_link(canvas_last(signature), kind, callbacks);
                for (size_t i = 0; all && i < json_array_size(tasks); i++)
                        canvas_link(json_array_get(tasks, i), kind, callbacks);
                return;
        case CANVAS_GROUP:
                for (size_t i = 0; i < json_array_size(tasks) && (all || i == 0); i++)
                        canvas_link(json_array_get(tasks, i), kind, callbacks);
                return;
        case CANVAS_CHORD:
                if (canvas_body(signature))
                        canvas_link(canvas_body(signature), kind, callbacks);
                return;
        case CANVAS_TASK: append(canvas_options(signature), kind, callbacks);
        }
}

static bool stays(const json_t *options, const char *key)
{
        const json_t *stamped = json_object_get(options, "stamped_headers");
        if (!json_object_get(options, key))
                return false;
        if (strcmp(key, "group_id") == 0 || strcmp(key, "stamped_headers") == 0)
                return true;
        for (size_t i = 0; i < json_array_size(stamped); i++) {
                const char *name = json_string_value(json_array_get(stamped, i));
                if (name && strcmp(name, key) == 0)
                        return true;
        }
        return false;
}

json_t *canvas_merge(const json_t *options, const json_t *over)
{
        json_t *all = json_is_object(options) ? json_copy((json_t *)options) : json_object();
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)over, key, value) {
                if (!json_is_null(value) && !stays(options, key))
                        json_object_set(all, key, value);
        }
        return all;
}

json_t *canvas_group(json_t *tasks_takes)
{
        return json_pack("{s:s, s:[], s:{s:o}, s:{}, s:s, s:b}", "task", "celery.group", "args", "kwargs", "tasks",
                         tasks_takes, "options", "subtask_type", "group", "immutable", 0);
}

json_t *canvas_result(struct followers *f, json_t *signature)
{
        switch (canvas_kind_of(signature)) {
        case CANVAS_CHORD: return canvas_body(signature) ? canvas_result(f, canvas_body(signature)) : json_null();
        case CANVAS_CHAIN: return canvas_last(signature) ? canvas_result(f, canvas_last(signature)) : json_null();
        case CANVAS_TASK: return json_pack("[[s, n], n]", canvas_id(f, signature));
        case CANVAS_GROUP: break;
        }
        json_t *tasks = canvas_flat(canvas_tasks(signature), true), *children = json_array();
        for (size_t i = 0; i < json_array_size(tasks); i++)
                json_array_append_new(children, canvas_result(f, json_array_get(tasks, i)));
        json_decref(tasks);
        return json_pack("[[s, n], o]", canvas_id(f, signature), children);
}

static void add_flat(json_t *tasks, bool frozen, json_t *out)
{
        const size_t count = json_array_size(tasks);
        for (size_t i = 0; i < count; i++) {
                json_t *task = json_array_get(tasks, i);
                json_t *inner = canvas_tasks(task);
                if (canvas_kind_of(task) != CANVAS_GROUP) {
                        if (gives_result(task))
                                json_array_append(out, task);
                        continue;
                }
                json_t *turned = json_array();
                for (size_t k = json_array_size(inner); frozen && k > 0; k--)
                        json_array_append(turned, json_array_get(inner, k - 1));
                add_flat(frozen ? turned : inner, frozen, out);
                json_decref(turned);
        }
}

json_t *canvas_flat(json_t *tasks, bool frozen)
{
        json_t *out = json_array();
        add_flat(tasks, frozen, out);
        return out;
}
