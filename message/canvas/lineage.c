/* SPDX-License-Identifier: Apache-2.0 */
/* What a client would hold after it has sent a canvas: the last result, which knows those before it. Its ids must be there before anything is sent, while
 * otherwise each task's is derived by the task before it. */
#include "message/canvas/canvas.h"

/* Each result stands within the one after it: what is written must still be read, by Python too. */
enum { LONGEST_LINEAGE = 200 };

/* ---- ids ---- */

static void lineage_freeze_all(struct followers *f, json_t *tasks)
{
        for (size_t i = 0; i < json_array_size(tasks); i++)
                canvas_freeze(f, json_array_get(tasks, i));
}

/* A chain's own id is its last task's. */
static void lineage_freeze_chain(struct followers *f, json_t *chain)
{
        json_t *last = canvas_last(chain), *id = json_object_get(json_object_get(chain, "options"), "task_id");
        if (last && json_is_string(id) && canvas_is_plain(last) && !json_object_get(canvas_options(last), "task_id"))
                json_object_set(canvas_options(last), "task_id", id);
        lineage_freeze_all(f, canvas_tasks(chain));
}

/* A header that is a group may have the id; one that is a signature alone stands for itself. */
static void lineage_freeze_chord(struct followers *f, json_t *chord)
{
        json_t *header = canvas_header(chord);
        json_t *id = json_object_get(json_object_get(header, "options"), "task_id");
        if (json_is_string(id) && !json_is_string(json_object_get(canvas_options(chord), "task_id")))
                json_object_set(canvas_options(chord), "task_id", id);
        canvas_id(f, chord);
        if (canvas_tasks(chord))
                lineage_freeze_all(f, canvas_tasks(chord));
        else
                canvas_freeze(f, header);
        canvas_freeze(f, canvas_body(chord));
}

void canvas_freeze(struct followers *f, json_t *signature)
{
        switch (canvas_kind_of(signature)) {
        case CANVAS_CHAIN: lineage_freeze_chain(f, signature); return;
        case CANVAS_CHORD: lineage_freeze_chord(f, signature); return;
        case CANVAS_GROUP: lineage_freeze_all(f, canvas_tasks(signature)); break;
        case CANVAS_TASK: break;
        }
        canvas_id(f, signature);
}

/* ---- results ---- */

static json_t *lineage_or_null(json_t *takes)
{
        return takes ? takes : json_null();
}

/* [[id, parent], [a result each]] of a group's or header's tasks. */
static json_t *lineage_of_group(struct followers *f, const char *id, json_t *tasks, json_t *parent_takes)
{
        json_t *flat = canvas_flat(tasks, true), *children = json_array();
        for (size_t i = 0; i < json_array_size(flat); i++) {
                json_t *child = canvas_lineage(f, json_array_get(flat, i), NULL);
                if (child)
                        json_array_append_new(children, child);
        }
        json_decref(flat);
        return json_pack("[[s, o], o]", id, lineage_or_null(parent_takes), children);
}

/* Of a body that is a chain Celery says the last, and that the header is its parent. */
static json_t *lineage_of_chord(struct followers *f, json_t *chord, json_t *parent_takes)
{
        json_t *body = canvas_body(chord);
        while (canvas_kind_of(body) == CANVAS_CHAIN && canvas_last(body))
                body = canvas_last(body);
        json_t *header = canvas_header(chord);
        json_t *alone = canvas_tasks(chord) ? NULL : json_pack("[O]", header);
        json_t *parent = lineage_of_group(f, canvas_id(f, chord), alone ? alone : canvas_tasks(chord), parent_takes);
        json_decref(alone);
        return canvas_lineage(f, body, parent);
}

static json_t *lineage_of_chain(struct followers *f, json_t *chain, json_t *parent_takes)
{
        json_t *steps = NULL, *result = parent_takes;
        if (canvas_steps(f, chain, &steps) != 0)
                steps = NULL;
        for (size_t i = json_array_size(steps); i > 0; i--) {
                if (i % LONGEST_LINEAGE == 0 && result) { /* further back it is not told */
                        json_decref(result);
                        result = NULL;
                }
                result = canvas_lineage(f, json_array_get(steps, i - 1), result);
        }
        json_decref(steps);
        return result;
}

json_t *canvas_lineage(struct followers *f, json_t *signature, json_t *parent_takes)
{
        switch (canvas_kind_of(signature)) {
        case CANVAS_CHAIN: return lineage_of_chain(f, signature, parent_takes);
        case CANVAS_CHORD: return lineage_of_chord(f, signature, parent_takes);
        case CANVAS_GROUP: return lineage_of_group(f, canvas_id(f, signature), canvas_tasks(signature), parent_takes);
        case CANVAS_TASK: break;
        }
        return json_pack("[[s, o], n]", canvas_id(f, signature), lineage_or_null(parent_takes));
}
