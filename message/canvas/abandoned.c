/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits in vain once a task has failed: celery.backends.base fails the later elements of its chain, and the bodies of chords. Here the
 * tasks of groups and headers within are found too, so that nobody waits for them for ever. */
#include "message/canvas/canvas.h"

#include "core/json.h"

static bool abandoned_add(const json_t *signature, bool header, unsigned depth, json_t *out);

/* False when memory ran out. */
static bool abandoned_add_all(const json_t *list, bool header, unsigned depth, json_t *out)
{
        bool ok = true;
        for (size_t i = 0; i < json_array_size(list) && ok; i++)
                ok = abandoned_add(json_array_get(list, i), header, depth, out);
        return ok;
}

/* Tasks of a header belong to a chord that fails as a whole: nobody counts them. */
static bool abandoned_add_task(const json_t *options, bool header, json_t *out)
{
        static const char *const keys[] = { "group_id", "group_index", "chord", "parent_id" };
        json_t *id = json_object_get(options, "task_id");
        if (!json_is_string(id))
                return true;
        JSON_OWNED json_t *row = json_pack("{s:O}", "id", id);
        bool ok = row != NULL;
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
                json_t *value = json_object_get(options, keys[i]);
                if (value && !json_is_null(value) && !(header && i == 2))
                        ok = ok && json_object_set(row, keys[i], value) == 0;
        }
        return ok && json_array_append(out, row) == 0;
}

static bool abandoned_add(const json_t *signature, bool header, unsigned depth, json_t *out)
{
        const json_t *options = json_object_get(signature, "options");
        bool ok = true;
        if (depth > CANVAS_DEEPEST)
                return true;
        switch (canvas_kind_of(signature)) {
        case CANVAS_TASK: ok = abandoned_add_task(options, header, out); break;
        case CANVAS_GROUP:
        case CANVAS_CHAIN: ok = abandoned_add_all(canvas_tasks(signature), header, depth + 1, out); break;
        case CANVAS_CHORD:
                ok = abandoned_add_all(canvas_tasks(signature), true, depth + 1, out);
                if (canvas_body(signature))
                        ok = ok && abandoned_add(canvas_body(signature), header, depth + 1, out);
        }
        return ok && abandoned_add_all(json_object_get(options, "chain"), header, depth + 1, out);
}

json_t *signatures_abandoned(const json_t *signatures)
{
        json_t *out = json_array();
        if (out && abandoned_add_all(signatures, false, 0, out))
                return out;
        json_decref(out);
        return NULL;
}
