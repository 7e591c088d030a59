/* SPDX-License-Identifier: Apache-2.0 */
/* Who waits in vain once a task has failed: celery.backends.base fails the later elements of its chain, and the bodies of chords. Here the
 * tasks of groups and headers within are found too, so that nobody waits for them for ever. */
#include "message/canvas.h"

#include "core/json.h"

static void add(const json_t *signature, bool header, unsigned depth, json_t *out);

static void add_all(const json_t *list, bool header, unsigned depth, json_t *out)
{
        for (size_t i = 0; i < json_array_size(list); i++)
                add(json_array_get(list, i), header, depth, out);
}

/* Tasks of a header belong to a chord that fails as a whole: nobody counts them. */
static void add_task(const json_t *options, bool header, json_t *out)
{
        static const char *const keys[] = { "group_id", "group_index", "chord", "parent_id" };
        json_t *id = json_object_get(options, "task_id");
        if (!json_is_string(id))
                return;
        json_t *row = json_pack("{s:O}", "id", id);
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
                json_t *value = json_object_get(options, keys[i]);
                if (value && !json_is_null(value) && !(header && i == 2))
                        json_object_set(row, keys[i], value);
        }
        json_array_append_new(out, row);
}

static void add(const json_t *signature, bool header, unsigned depth, json_t *out)
{
        const json_t *options = json_object_get(signature, "options");
        if (depth > CANVAS_DEEPEST)
                return;
        switch (canvas_kind_of(signature)) {
        case CANVAS_TASK: add_task(options, header, out); break;
        case CANVAS_GROUP:
        case CANVAS_CHAIN: add_all(canvas_tasks(signature), header, depth + 1, out); break;
        case CANVAS_CHORD:
                add_all(canvas_tasks(signature), true, depth + 1, out);
                if (canvas_body(signature))
                        add(canvas_body(signature), header, depth + 1, out);
        }
        add_all(json_object_get(options, "chain"), header, depth + 1, out);
}

json_t *signatures_abandoned(const json_t *signatures)
{
        json_t *out = json_array();
        if (out)
                add_all(signatures, false, 0, out);
        return out;
}
