/* SPDX-License-Identifier: Apache-2.0 */
/* A chain, taken apart from its end: chains within are spliced in, a group before a task becomes a chord with that task as its body. */
#include "message/canvas/canvas.h"

#include <errno.h>
#include <string.h>

struct steps {
        struct followers *f;
        json_t *left;  /* what is still to be looked at; the next one is the last */
        json_t *tasks; /* what came out: in reverse */
        unsigned upgrades;
};

/* A group of one is that one. Borrowed, from within `task`. */
static json_t *unrolled(json_t *task)
{
        while (canvas_kind_of(task) == CANVAS_GROUP && json_array_size(canvas_tasks(task)) == 1)
                task = json_array_get(canvas_tasks(task), 0);
        return task;
}

/* A chord whose body is a chain led by a task: the chord with that task as its body, then the rest of the chain. */
static bool splits(const json_t *task)
{
        const json_t *body = canvas_kind_of(task) == CANVAS_CHORD ? canvas_body(task) : NULL;
        if (!body || canvas_kind_of(body) != CANVAS_CHAIN || json_array_size(canvas_tasks(body)) == 0)
                return false;
        return canvas_kind_of(json_array_get(canvas_tasks(body), 0)) != CANVAS_GROUP;
}

static void append_all(json_t *to, json_t *from, size_t start)
{
        for (size_t i = start; i < json_array_size(from); i++)
                json_array_append(to, json_array_get(from, i));
}

/* What a chain hands to its first task: its options, but for those that are about the chain as a whole. */
static void hand_options(json_t *first, const json_t *chain)
{
        static const char *const own[] = { "chord",      "group_id",  "group_index", "link",
                                           "link_error", "parent_id", "root_id",     "task_id" };
        json_t *options = json_object_get(chain, "options");
        json_t *rest = json_is_object(options) ? json_copy(options) : json_object();
        for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
                json_object_del(rest, own[i]);
        json_object_set_new(first, "options", canvas_merge(json_object_get(first, "options"), rest));
        json_decref(rest);
}

static void split(struct steps *s, json_t *chord)
{
        json_t *body = json_incref(canvas_body(chord));
        json_t *tasks = canvas_tasks(body), *links = json_object_get(json_object_get(body, "options"), "link");
        json_t *errbacks = json_object_get(json_object_get(body, "options"), "link_error");
        json_t *first = json_array_get(tasks, 0);
        if (links && !json_is_null(links))
                canvas_link(body, "link", links);
        if (errbacks && !json_is_null(errbacks))
                canvas_link(body, "link_error", errbacks);
        hand_options(first, body);
        json_object_set(json_object_get(chord, "kwargs"), "body", first);
        json_array_append(s->left, chord);
        append_all(s->left, tasks, 1);
        json_decref(body);
}

/* group | task: a chord. Takes the body out of what came out already. */
static json_t *upgrade(struct steps *s, json_t *group)
{
        const size_t last = json_array_size(s->tasks) - 1;
        json_t *body = json_incref(json_array_get(s->tasks, last));
        json_array_remove(s->tasks, last);
        json_t *chord = json_pack("{s:s, s:[], s:{s:{}, s:O, s:o}, s:{s:s}, s:s, s:b}", "task", "celery.chord", "args",
                                  "kwargs", "kwargs", "header", group, "body", body, "options", "task_id",
                                  canvas_id(s->f, group), "subtask_type", "chord", "immutable", 0);
        s->upgrades++;
        return chord;
}

static int take(struct steps *s, json_t *task)
{
        task = unrolled(task);
        const enum canvas_kind kind = canvas_kind_of(task);
        if (kind == CANVAS_GROUP && json_array_size(canvas_tasks(task)) == 0 &&
            (json_array_size(s->left) > 0 || json_array_size(s->tasks) > 0))
                return 0;
        if (splits(task)) {
                split(s, task);
        } else if (kind == CANVAS_CHAIN) {
                append_all(s->left, canvas_tasks(task), 0);
        } else if (kind == CANVAS_GROUP && json_array_size(s->tasks) > 0) {
                if (s->upgrades >= CANVAS_DEEPEST)
                        return problem_set(s->f->why, "message", "bad_signature",
                                           "a chain holds more than %d groups one after the other: cut it into several",
                                           CANVAS_DEEPEST);
                json_t *chord = upgrade(s, task);
                return chord && json_array_append_new(s->tasks, chord) == 0 ? 0 : -ENOMEM;
        } else {
                json_array_append(s->tasks, task);
        }
        return 0;
}

int canvas_steps(struct followers *f, json_t *chain, json_t **out)
{
        struct steps s = { .f = f, .left = json_copy(canvas_tasks(chain)), .tasks = json_array() };
        int rc = s.left && s.tasks ? 0 : -ENOMEM;
        while (rc == 0 && json_array_size(s.left) > 0) {
                const size_t last = json_array_size(s.left) - 1;
                json_t *task = json_incref(json_array_get(s.left, last));
                json_array_remove(s.left, last);
                rc = take(&s, task);
                json_decref(task);
        }
        json_decref(s.left);
        if (rc == 0)
                *out = s.tasks;
        else
                json_decref(s.tasks);
        return rc;
}
