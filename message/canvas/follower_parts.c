/* SPDX-License-Identifier: Apache-2.0 */
/* Ids, places and results of what follows a task. */
#include "core/json.h"
#include "message/canvas/canvas.h"
#include "message/canvas/derived_id.h"

#include <stdio.h>

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
        const char *given = json_string_value(json_object_get(options, "task_id"));
        if (given && *given)
                return given;
        follower_id(f, "canvas", f->made++, id);
        json_object_set_new(options, "task_id", json_string(id));
        return json_string_value(json_object_get(options, "task_id"));
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
