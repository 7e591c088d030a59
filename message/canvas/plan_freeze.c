/* SPDX-License-Identifier: Apache-2.0 */
/* Giving all parts of a canvas their ids and places, and taking chains apart. */
#include "core/json.h"
#include "message/canvas/plan_own.h"

#include <string.h>

const struct place plan_nowhere = { NULL, NULL, -1 };

/* ---- copies ---- */

static json_t *clone_all(struct planning *p, json_t *signatures)
{
        json_t *all = json_array(), *one;
        size_t i;
        json_array_foreach(signatures, i, one)
                plan_push(p, all, plan_clone(p, one));
        return all;
}

/* The list of a frozen header is shared with its copy. */
static void clone_chord(struct planning *p, json_t *kwargs, json_t *chord)
{
        json_t *header = canvas_header(chord);
        plan_set(p, kwargs, "header",
                 json_is_object(header) ? json_incref(canvas_tasks(header)) : clone_all(p, header));
        plan_set(p, kwargs, "body", plan_clone(p, canvas_body(chord)));
}

json_t *plan_clone(struct planning *p, json_t *signature)
{
        json_t *made = json_copy(signature), *kwargs = json_copy(json_object_get(signature, "kwargs"));
        plan_set(p, made, "kwargs", kwargs);
        plan_set(p, made, "options", json_copy(canvas_options_given(signature)));
        switch (canvas_kind_of(signature)) {
        case CANVAS_TASK: break;
        case CANVAS_CHAIN: plan_set(p, kwargs, "tasks", clone_all(p, canvas_tasks(signature))); break;
        case CANVAS_GROUP: plan_set(p, kwargs, "tasks", json_copy(canvas_tasks(signature))); break;
        case CANVAS_CHORD: clone_chord(p, kwargs, signature); break;
        }
        return made;
}

json_t *plan_merged(struct planning *p, const json_t *options, const json_t *over)
{
        json_t *all = canvas_merge(options, over, true);
        p->failed = p->failed || !all;
        return all;
}

/* ---- places ---- */

static json_t *freeze_task(struct planning *p, json_t *task, const char *id, const struct place *at)
{
        json_t *options = canvas_options_given(task);
        if (!*plan_id(task))
                plan_set(p, options, "task_id", id ? json_string(id) : plan_new_id());
        if (p->reply_to && !json_object_get(options, "reply_to"))
                plan_set(p, options, "reply_to", json_string(p->reply_to));
        if (at->group_id && !json_object_get(options, "group_id"))
                plan_set(p, options, "group_id", json_string(at->group_id));
        if (at->chord)
                plan_set(p, options, "chord", json_incref(at->chord));
        if (at->index >= 0)
                plan_set(p, options, "group_index", json_integer(at->index));
        return json_pack("[[s, n], n]", plan_id(task));
}

static void freeze_place_group(struct planning *p, json_t *options, const struct place *at)
{
        static const char *const open[] = { "root_id", "parent_id" };
        if (at->group_id)
                plan_set(p, options, "group_id", json_string(at->group_id));
        if (at->chord)
                plan_set(p, options, "chord", json_incref(at->chord));
        if (at->index >= 0)
                plan_set(p, options, "group_index", json_integer(at->index));
        for (size_t i = 0; i < sizeof(open) / sizeof(*open); i++)
                if (!json_object_get(options, open[i]))
                        plan_set(p, options, open[i], json_null());
}

/* Its members are replaced by frozen copies, in the same list. */
static json_t *freeze_group(struct planning *p, json_t *group, const struct place *at)
{
        json_t *options = canvas_options_given(group), *members = canvas_tasks(group), *results = json_array();
        if (!*plan_id(group))
                plan_set(p, options, "task_id", plan_new_id());
        freeze_place_group(p, options, at);
        for (size_t i = 0; i < json_array_size(members); i++) {
                const struct place its = { at->group_id, at->chord, (json_int_t)i };
                json_t *member = plan_clone(p, json_array_get(members, i));
                plan_push(p, results, plan_freeze(p, member, NULL, &its));
                json_array_set_new(members, i, member);
        }
        return json_pack("[[s, n], o]", plan_id(group), results);
}

static json_t *freeze_chord(struct planning *p, json_t *chord, const char *id, const struct place *at)
{
        const struct place counted = { NULL, canvas_body(chord), -1 };
        json_t *kwargs = json_object_get(chord, "kwargs");
        if (!json_is_object(canvas_header(chord)))
                plan_set(p, kwargs, "header", canvas_group(json_incref(canvas_header(chord))));
        json_decref(plan_freeze(p, canvas_header(chord), NULL, &counted));
        plan_set(p, canvas_options_given(chord), "task_id", json_string(plan_id(canvas_header(chord))));
        return plan_freeze(p, canvas_body(chord), id, at);
}

static json_t *freeze_chain(struct planning *p, json_t *chain, const char *id, const struct place *at, bool clone,
                            json_t **tasks);

json_t *plan_freeze(struct planning *p, json_t *signature, const char *id, const struct place *at)
{
        json_t *result = NULL, *tasks = NULL;
        if (!plan_enter(p))
                return NULL;
        switch (canvas_kind_of(signature)) {
        case CANVAS_TASK: result = freeze_task(p, signature, id, at); break;
        case CANVAS_GROUP: result = freeze_group(p, signature, at); break;
        case CANVAS_CHORD: result = freeze_chord(p, signature, id, at); break;
        case CANVAS_CHAIN:
                result = freeze_chain(p, signature, id, at, false, &tasks);
                json_decref(tasks);
                break;
        }
        plan_leave(p);
        return result;
}

/* ---- chains ---- */

struct preparing {
        struct planning *p;
        bool clone;
        const char *id; /* of the last one, or NULL */
        const struct place *at;
        json_t *left;            /* what is still to be looked at; the next one is the last */
        json_t *tasks, *results; /* in reverse */
        size_t count;            /* frozen so far */
};

/* A chord whose body is a chain, as steps: the chord with the body's first task, then the others, so that not every task of its header carries
 * them all. New array. */
static json_t *unroll_body(struct planning *p, json_t *chord)
{
        json_t *own = plan_clone(p, chord), *steps = clone_all(p, canvas_tasks(canvas_body(own)));
        json_t *first = json_array_get(steps, 0);
        p->failed = !canvas_hand_options(first, canvas_body(own)) || p->failed;
        plan_set(p, json_object_get(own, "kwargs"), "body", json_incref(first));
        json_array_set_new(steps, 0, own);
        return steps;
}

/* Chains at the head are spliced first; `left` is its own. */
static void freeze_splice_head(struct preparing *w)
{
        json_t *head, *part;
        size_t i;
        while (canvas_kind_of(head = json_array_get(w->left, 0)) == CANVAS_CHAIN) {
                JSON_OWNED json_t *chain = w->clone ? plan_clone(w->p, head) : json_incref(head);
                json_array_remove(w->left, 0);
                json_array_foreach(canvas_tasks(chain), i, part)
                        json_array_insert(w->left, i, part);
        }
        if (head)
                json_array_set(w->left, 0, canvas_unrolled(head));
}

/* group | what came out last: a chord of both. */
static json_t *freeze_upgraded(struct preparing *w, json_t *group)
{
        const size_t last = json_array_size(w->tasks) - 1;
        JSON_OWNED json_t *body = json_incref(json_array_get(w->tasks, last));
        json_t *chord = canvas_chord(json_incref(canvas_tasks(group)), json_incref(body));
        json_array_remove(w->tasks, last);
        json_array_remove(w->results, last);
        if (canvas_kind_of(body) == CANVAS_TASK)
                plan_set(w->p, canvas_options_given(chord), "task_id", json_string(plan_id(body)));
        plan_set(w->p, canvas_options_given(chord), "root_id", json_null());
        json_decref(group);
        return chord;
}

static void freeze_take(struct preparing *w, json_t *step)
{
        json_t *task = canvas_unrolled(step);
        if (w->clone && canvas_splits(task)) {
                JSON_OWNED json_t *steps = unroll_body(w->p, task);
                json_array_extend(w->left, steps);
                return;
        }
        task = w->clone ? plan_clone(w->p, task) : json_incref(task);
        if (canvas_kind_of(task) == CANVAS_CHAIN) {
                json_array_extend(w->left, canvas_tasks(task));
                json_decref(task);
                return;
        }
        if (canvas_kind_of(task) == CANVAS_GROUP && json_array_size(w->tasks) > 0)
                task = freeze_upgraded(w, task);
        const bool last = w->count++ == 0;
        plan_push(w->p, w->results, plan_freeze(w->p, task, last ? w->id : NULL, last ? w->at : &plan_nowhere));
        plan_push(w->p, w->tasks, task);
}

static json_t *freeze_chain(struct planning *p, json_t *chain, const char *id, const struct place *at, bool clone,
                            json_t **tasks)
{
        struct preparing w = { p, clone, id, at, json_copy(canvas_tasks(chain)), json_array(), json_array(), 0 };
        json_t *step;
        size_t i, left;
        freeze_splice_head(&w);
        while (!p->failed && (left = json_array_size(w.left)) > 0) {
                JSON_OWNED json_t *next = json_incref(json_array_get(w.left, left - 1));
                json_array_remove(w.left, left - 1);
                freeze_take(&w, next);
        }
        json_t *result = json_incref(json_array_get(w.results, 0));
        plan_set(p, canvas_options_given(chain), "task_id", json_incref(json_array_get(json_array_get(result, 0), 0)));
        json_array_foreach(w.tasks, i, step) {
                if (clone)
                        plan_strip(step);
        }
        json_decref(w.left);
        json_decref(w.results);
        *tasks = w.tasks;
        return result;
}

json_t *plan_prepare(struct planning *p, json_t *chain, const char *id, const struct place *at, json_t **tasks)
{
        return freeze_chain(p, chain, id, at, true, tasks);
}

static json_t *unrolled_copy(struct planning *p, json_t *takes)
{
        json_t *own = plan_clone(p, takes);
        json_decref(takes);
        if (plan_enter(p)) {
                plan_unroll_chords(p, own);
                plan_leave(p);
        }
        return own;
}

void plan_unroll_chords(struct planning *p, json_t *chain)
{
        JSON_OWNED json_t *left = json_copy(canvas_tasks(chain));
        json_t *steps = json_array(), *part;
        size_t i;
        while (json_array_size(left) > 0) {
                json_t *step = json_incref(json_array_get(left, 0));
                json_array_remove(left, 0);
                if (canvas_kind_of(step) == CANVAS_CHAIN)
                        step = unrolled_copy(p, step);
                if (canvas_splits(step)) {
                        JSON_OWNED json_t *open = unroll_body(p, step);
                        json_array_foreach(open, i, part)
                                json_array_insert(left, i, part);
                        json_decref(step);
                } else {
                        plan_push(p, steps, step);
                }
        }
        plan_set(p, json_object_get(chain, "kwargs"), "tasks", steps);
}

/* ---- what travels ---- */

/* Whatever gives the results of this does not name the chord. */
static void clear_chord(json_t *signature)
{
        const json_t *parts = canvas_tasks(signature);
        json_object_del(canvas_options_given(signature), "chord");
        switch (canvas_kind_of(signature)) {
        case CANVAS_TASK: break;
        case CANVAS_CHORD: clear_chord(canvas_body(signature)); break;
        case CANVAS_CHAIN: clear_chord(json_array_get(parts, json_array_size(parts) - 1)); break;
        case CANVAS_GROUP:
                for (size_t i = 0; i < json_array_size(parts); i++)
                        clear_chord(json_array_get(parts, i));
        }
}

void plan_strip(json_t *signature)
{
        const json_t *parts = canvas_tasks(signature);
        const enum canvas_kind kind = canvas_kind_of(signature);
        if (kind == CANVAS_CHORD) {
                clear_chord(canvas_header(signature));
                plan_strip(canvas_header(signature));
                plan_strip(canvas_body(signature));
        }
        for (size_t i = 0; (kind == CANVAS_GROUP || kind == CANVAS_CHAIN) && i < json_array_size(parts); i++)
                plan_strip(json_array_get(parts, i));
}
