/* SPDX-License-Identifier: Apache-2.0 */
/* Giving all parts of a canvas their ids and places, and taking chains apart. */
#include "core/json.h"
#include "lib/canvas.h"

#include <string.h>

const struct place canvas_nowhere = { NULL, NULL, -1 };

/* ---- copies ---- */

static json_t *clone_all(struct planning *p, json_t *signatures)
{
        json_t *all = json_array(), *one;
        size_t i;
        json_array_foreach(signatures, i, one)
                canvas_push(p, all, canvas_clone(p, one));
        return all;
}

/* The list of a frozen header is shared with its copy. */
static void clone_chord(struct planning *p, json_t *kwargs, json_t *chord)
{
        json_t *header = canvas_header(chord);
        canvas_set(p, kwargs, "header",
                   json_is_object(header) ? json_incref(canvas_parts(header)) : clone_all(p, header));
        canvas_set(p, kwargs, "body", canvas_clone(p, canvas_body(chord)));
}

json_t *canvas_clone(struct planning *p, json_t *signature)
{
        json_t *made = json_copy(signature), *kwargs = json_copy(json_object_get(signature, "kwargs"));
        canvas_set(p, made, "kwargs", kwargs);
        canvas_set(p, made, "options", json_copy(canvas_options(signature)));
        switch (canvas_kind(signature)) {
        case CANVAS_TASK: break;
        case CANVAS_CHAIN: canvas_set(p, kwargs, "tasks", clone_all(p, canvas_parts(signature))); break;
        case CANVAS_GROUP: canvas_set(p, kwargs, "tasks", json_copy(canvas_parts(signature))); break;
        case CANVAS_CHORD: clone_chord(p, kwargs, signature); break;
        }
        return made;
}

json_t *canvas_merged(struct planning *p, const json_t *options, const json_t *over)
{
        json_t *all = json_copy((json_t *)options), *value;
        const char *key;
        json_object_foreach((json_t *)over, key, value) {
                if (strcmp(key, "group_id") != 0 || !json_object_get(options, key))
                        canvas_set(p, all, key, json_incref(value));
        }
        return all;
}

/* ---- places ---- */

static json_t *freeze_task(struct planning *p, json_t *task, const char *id, const struct place *at)
{
        json_t *options = canvas_options(task);
        if (!*canvas_id(task))
                canvas_set(p, options, "task_id", id ? json_string(id) : canvas_new_id());
        if (p->reply_to && !json_object_get(options, "reply_to"))
                canvas_set(p, options, "reply_to", json_string(p->reply_to));
        if (at->group_id && !json_object_get(options, "group_id"))
                canvas_set(p, options, "group_id", json_string(at->group_id));
        if (at->chord)
                canvas_set(p, options, "chord", json_incref(at->chord));
        if (at->index >= 0)
                canvas_set(p, options, "group_index", json_integer(at->index));
        return json_pack("[[s, n], n]", canvas_id(task));
}

static void place_group(struct planning *p, json_t *options, const struct place *at)
{
        static const char *const open[] = { "root_id", "parent_id" };
        if (at->group_id)
                canvas_set(p, options, "group_id", json_string(at->group_id));
        if (at->chord)
                canvas_set(p, options, "chord", json_incref(at->chord));
        if (at->index >= 0)
                canvas_set(p, options, "group_index", json_integer(at->index));
        for (size_t i = 0; i < sizeof(open) / sizeof(*open); i++)
                if (!json_object_get(options, open[i]))
                        canvas_set(p, options, open[i], json_null());
}

/* Its members are replaced by frozen copies, in the same list. */
static json_t *freeze_group(struct planning *p, json_t *group, const struct place *at)
{
        json_t *options = canvas_options(group), *members = canvas_parts(group), *results = json_array();
        if (!*canvas_id(group))
                canvas_set(p, options, "task_id", canvas_new_id());
        place_group(p, options, at);
        for (size_t i = 0; i < json_array_size(members); i++) {
                const struct place its = { at->group_id, at->chord, (json_int_t)i };
                json_t *member = canvas_clone(p, json_array_get(members, i));
                canvas_push(p, results, canvas_freeze(p, member, NULL, &its));
                json_array_set_new(members, i, member);
        }
        return json_pack("[[s, n], o]", canvas_id(group), results);
}

static json_t *freeze_chord(struct planning *p, json_t *chord, const char *id, const struct place *at)
{
        const struct place counted = { NULL, canvas_body(chord), -1 };
        json_t *kwargs = json_object_get(chord, "kwargs");
        if (!json_is_object(canvas_header(chord)))
                canvas_set(p, kwargs, "header", canvas_group(json_incref(canvas_header(chord))));
        json_decref(canvas_freeze(p, canvas_header(chord), NULL, &counted));
        canvas_set(p, canvas_options(chord), "task_id", json_string(canvas_id(canvas_header(chord))));
        return canvas_freeze(p, canvas_body(chord), id, at);
}

static json_t *prepare(struct planning *p, json_t *chain, const char *id, const struct place *at, bool clone,
                       json_t **tasks);

json_t *canvas_freeze(struct planning *p, json_t *signature, const char *id, const struct place *at)
{
        json_t *result = NULL, *tasks = NULL;
        if (!canvas_enter(p))
                return NULL;
        switch (canvas_kind(signature)) {
        case CANVAS_TASK: result = freeze_task(p, signature, id, at); break;
        case CANVAS_GROUP: result = freeze_group(p, signature, at); break;
        case CANVAS_CHORD: result = freeze_chord(p, signature, id, at); break;
        case CANVAS_CHAIN:
                result = prepare(p, signature, id, at, false, &tasks);
                json_decref(tasks);
                break;
        }
        canvas_leave(p);
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

static bool led_by_task(const json_t *body)
{
        return canvas_kind(body) == CANVAS_CHAIN && canvas_kind(json_array_get(canvas_parts(body), 0)) != CANVAS_GROUP;
}

/* What a chain hands on to its first task: the options that it does not use itself. */
static json_t *first_options(struct planning *p, json_t *first, const json_t *chain)
{
        static const char *const own[] = { "chord",      "group_id",  "group_index", "link",
                                           "link_error", "parent_id", "root_id",     "task_id" };
        JSON_OWNED json_t *rest = json_copy(canvas_options(chain));
        for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
                json_object_del(rest, own[i]);
        return canvas_merged(p, canvas_options(first), rest);
}

/* A chord whose body is a chain, as steps: the chord with the body's first task, then the others, so that not every task of its header carries
 * them all. New array. */
static json_t *unroll_body(struct planning *p, json_t *chord)
{
        json_t *own = canvas_clone(p, chord), *steps = clone_all(p, canvas_parts(canvas_body(own)));
        json_t *first = json_array_get(steps, 0);
        canvas_set(p, first, "options", first_options(p, first, canvas_body(own)));
        canvas_set(p, json_object_get(own, "kwargs"), "body", json_incref(first));
        json_array_set_new(steps, 0, own);
        return steps;
}

/* Chains at the head are spliced first; `left` is its own. */
static void splice_head(struct preparing *w)
{
        json_t *head, *part;
        size_t i;
        while (canvas_kind(head = json_array_get(w->left, 0)) == CANVAS_CHAIN) {
                JSON_OWNED json_t *chain = w->clone ? canvas_clone(w->p, head) : json_incref(head);
                json_array_remove(w->left, 0);
                json_array_foreach(canvas_parts(chain), i, part)
                        json_array_insert(w->left, i, part);
        }
        if (head)
                json_array_set(w->left, 0, canvas_unrolled(head));
}

/* group | what came out last: a chord of both. */
static json_t *upgraded(struct preparing *w, json_t *group)
{
        const size_t last = json_array_size(w->tasks) - 1;
        JSON_OWNED json_t *body = json_incref(json_array_get(w->tasks, last));
        json_t *chord = canvas_chord(json_incref(canvas_parts(group)), json_incref(body));
        json_array_remove(w->tasks, last);
        json_array_remove(w->results, last);
        if (canvas_kind(body) == CANVAS_TASK)
                canvas_set(w->p, canvas_options(chord), "task_id", json_string(canvas_id(body)));
        canvas_set(w->p, canvas_options(chord), "root_id", json_null());
        json_decref(group);
        return chord;
}

static void take(struct preparing *w, json_t *step)
{
        json_t *task = canvas_unrolled(step);
        if (w->clone && canvas_kind(task) == CANVAS_CHORD && led_by_task(canvas_body(task))) {
                JSON_OWNED json_t *steps = unroll_body(w->p, task);
                json_array_extend(w->left, steps);
                return;
        }
        task = w->clone ? canvas_clone(w->p, task) : json_incref(task);
        if (canvas_kind(task) == CANVAS_CHAIN) {
                json_array_extend(w->left, canvas_parts(task));
                json_decref(task);
                return;
        }
        if (canvas_kind(task) == CANVAS_GROUP && json_array_size(w->tasks) > 0)
                task = upgraded(w, task);
        const bool last = w->count++ == 0;
        canvas_push(w->p, w->results, canvas_freeze(w->p, task, last ? w->id : NULL, last ? w->at : &canvas_nowhere));
        canvas_push(w->p, w->tasks, task);
}

static json_t *prepare(struct planning *p, json_t *chain, const char *id, const struct place *at, bool clone,
                       json_t **tasks)
{
        struct preparing w = { p, clone, id, at, json_copy(canvas_parts(chain)), json_array(), json_array(), 0 };
        json_t *step;
        size_t i, left;
        splice_head(&w);
        while (!p->failed && (left = json_array_size(w.left)) > 0) {
                JSON_OWNED json_t *next = json_incref(json_array_get(w.left, left - 1));
                json_array_remove(w.left, left - 1);
                take(&w, next);
        }
        json_t *result = json_incref(json_array_get(w.results, 0));
        canvas_set(p, canvas_options(chain), "task_id", json_incref(json_array_get(json_array_get(result, 0), 0)));
        json_array_foreach(w.tasks, i, step) {
                if (clone)
                        canvas_strip(step);
        }
        json_decref(w.left);
        json_decref(w.results);
        *tasks = w.tasks;
        return result;
}

json_t *canvas_prepare(struct planning *p, json_t *chain, const char *id, const struct place *at, json_t **tasks)
{
        return prepare(p, chain, id, at, true, tasks);
}

static json_t *unrolled_copy(struct planning *p, json_t *takes)
{
        json_t *own = canvas_clone(p, takes);
        json_decref(takes);
        if (canvas_enter(p)) {
                canvas_unroll_chords(p, own);
                canvas_leave(p);
        }
        return own;
}

void canvas_unroll_chords(struct planning *p, json_t *chain)
{
        JSON_OWNED json_t *left = json_copy(canvas_parts(chain));
        json_t *steps = json_array(), *part;
        size_t i;
        while (json_array_size(left) > 0) {
                json_t *step = json_incref(json_array_get(left, 0));
                json_array_remove(left, 0);
                if (canvas_kind(step) == CANVAS_CHAIN)
                        step = unrolled_copy(p, step);
                if (canvas_kind(step) == CANVAS_CHORD && led_by_task(canvas_body(step))) {
                        JSON_OWNED json_t *open = unroll_body(p, step);
                        json_array_foreach(open, i, part)
                                json_array_insert(left, i, part);
                        json_decref(step);
                } else {
                        canvas_push(p, steps, step);
                }
        }
        canvas_set(p, json_object_get(chain, "kwargs"), "tasks", steps);
}

/* ---- what travels ---- */

/* Whatever gives the results of this does not name the chord. */
static void clear_chord(json_t *signature)
{
        const json_t *parts = canvas_parts(signature);
        json_object_del(canvas_options(signature), "chord");
        switch (canvas_kind(signature)) {
        case CANVAS_TASK: break;
        case CANVAS_CHORD: clear_chord(canvas_body(signature)); break;
        case CANVAS_CHAIN: clear_chord(json_array_get(parts, json_array_size(parts) - 1)); break;
        case CANVAS_GROUP:
                for (size_t i = 0; i < json_array_size(parts); i++)
                        clear_chord(json_array_get(parts, i));
        }
}

void canvas_strip(json_t *signature)
{
        const json_t *parts = canvas_parts(signature);
        if (canvas_kind(signature) == CANVAS_CHORD) {
                clear_chord(canvas_header(signature));
                canvas_strip(canvas_header(signature));
                canvas_strip(canvas_body(signature));
        }
        for (size_t i = 0; canvas_kind(signature) != CANVAS_TASK && i < json_array_size(parts); i++)
                canvas_strip(json_array_get(parts, i));
}
