/* SPDX-License-Identifier: Apache-2.0 */
/* A chain, taken apart from its end: chains within are spliced in, a group before a task becomes a chord with that task as its body. */
#include "message/canvas/canvas.h"

#include <errno.h>
#include <string.h>

struct chain_steps {
        struct followers *f;
        json_t *left;  /* what is still to be looked at; the next one is the last */
        json_t *tasks; /* what came out: in reverse */
        unsigned upgrades;
};

static void chain_append(json_t *to, json_t *from, size_t start)
{
        for (size_t i = start; i < json_array_size(from); i++)
                json_array_append(to, json_array_get(from, i));
}

static int chain_split_chord(struct chain_steps *s, json_t *chord)
{
        json_t *body = json_incref(canvas_body(chord));
        json_t *tasks = canvas_tasks(body), *links = json_object_get(json_object_get(body, "options"), "link");
        json_t *errbacks = json_object_get(json_object_get(body, "options"), "link_error");
        json_t *first = json_array_get(tasks, 0);
        if (links && !json_is_null(links))
                canvas_link(body, "link", links);
        if (errbacks && !json_is_null(errbacks))
                canvas_link(body, "link_error", errbacks);
        const bool handed = canvas_hand_options(first, body);
        json_object_set(json_object_get(chord, "kwargs"), "body", first);
        json_array_append(s->left, chord);
        chain_append(s->left, tasks, 1);
        json_decref(body);
        return handed ? 0 : -ENOMEM;
}

/* group | task: a chord. Takes the body out of what came out already. */
static json_t *chain_upgrade_group(struct chain_steps *s, json_t *group)
{
        const size_t last = json_array_size(s->tasks) - 1;
        json_t *body = json_incref(json_array_get(s->tasks, last));
        json_array_remove(s->tasks, last);
        json_t *chord = canvas_chord(json_incref(group), body);
        if (chord)
                json_object_set_new(canvas_options(chord), "task_id", json_string(canvas_id(s->f, group)));
        s->upgrades++;
        return chord;
}

static int chain_take(struct chain_steps *s, json_t *task)
{
        task = canvas_unrolled(task);
        const enum canvas_kind kind = canvas_kind_of(task);
        if (kind == CANVAS_GROUP && json_array_size(canvas_tasks(task)) == 0 &&
            (json_array_size(s->left) > 0 || json_array_size(s->tasks) > 0))
                return 0;
        if (canvas_splits(task))
                return chain_split_chord(s, task);
        if (kind == CANVAS_CHAIN) {
                chain_append(s->left, canvas_tasks(task), 0);
        } else if (kind == CANVAS_GROUP && json_array_size(s->tasks) > 0) {
                if (s->upgrades >= CANVAS_DEEPEST)
                        return problem_set(s->f->why, "message", "bad_signature",
                                           "a chain holds more than %d groups one after the other: cut it into several",
                                           CANVAS_DEEPEST);
                json_t *chord = chain_upgrade_group(s, task);
                return chord && json_array_append_new(s->tasks, chord) == 0 ? 0 : -ENOMEM;
        } else {
                json_array_append(s->tasks, task);
        }
        return 0;
}

int canvas_steps(struct followers *f, json_t *chain, json_t **out)
{
        struct chain_steps s = { .f = f, .left = json_copy(canvas_tasks(chain)), .tasks = json_array() };
        int rc = s.left && s.tasks ? 0 : -ENOMEM;
        while (rc == 0 && json_array_size(s.left) > 0) {
                const size_t last = json_array_size(s.left) - 1;
                json_t *task = json_incref(json_array_get(s.left, last));
                json_array_remove(s.left, last);
                rc = chain_take(&s, task);
                json_decref(task);
        }
        json_decref(s.left);
        if (rc == 0)
                *out = s.tasks;
        else
                json_decref(s.tasks);
        return rc;
}
