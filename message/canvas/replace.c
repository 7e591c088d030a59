/* SPDX-License-Identifier: Apache-2.0 */
/* What a task does with a canvas beside sending it, as celery.app.task.Task of Celery 5.7 does.
 * replace puts it in the task's place: whoever gives the canvas's result does so under the task's id, as the member of its group and chord; the task's callbacks and errbacks
 * are the canvas's, and what is left of its chain follows.
 * add_to_chord makes it one more part of the chord that the task is part of, under an id of its own; the task itself goes on as it would. */
#include "message/canvas/canvas.h"

#include "core/json.h"

#include <errno.h>

int canvas_check_replacement(const struct followers *f, const json_t *canvas)
{
        if (json_object_get(json_object_get(canvas, "options"), "chord"))
                return problem_set(f->why, "task", "bad_replacement",
                                   "A signature replacing a task must not be part of a chord");
        if (canvas_kind_of(canvas) == CANVAS_CHAIN && json_array_size(canvas_tasks(canvas)) == 0)
                return problem_set(f->why, "task", "bad_replacement", "Cannot replace with an empty chain");
        return 0;
}

/* Who gives its result: itself, the last of a chain, a chord's body; or NULL. */
static json_t *replace_heir_of(json_t *signature)
{
        json_t *heir = signature;
        for (enum canvas_kind kind;
             heir && (kind = canvas_kind_of(heir), kind == CANVAS_CHAIN || kind == CANVAS_CHORD);)
                heir = kind == CANVAS_CHAIN ? canvas_last(heir) : canvas_body(heir);
        return heir;
}

/* A group as the header of a chord whose body gives the list of its results. Takes it; new reference, or NULL. */
static json_t *replace_chord_of(const struct followers *f, json_t *group_takes)
{
        json_t *route =
                f->how->queue ? json_pack("{s:s, s:s}", "exchange", "", "routing_key", f->how->queue) : json_object();
        json_t *body = json_pack("{s:s, s:[], s:{s:i}, s:o, s:n, s:b}", "task", "celery.accumulate", "args", "kwargs",
                                 "index", 0, "options", route, "subtask_type", "immutable", 0);
        return canvas_chord(group_takes, body);
}

/* A copy of the canvas that gives one result: a group has none, be it the whole, the end of a chain or the body of a chord, and becomes a chord. NULL when
 * memory ran out. New reference. */
static json_t *replace_with_one_result(const struct followers *f, const json_t *canvas)
{
        json_t *own = json_deep_copy(canvas), *heir = own ? replace_heir_of(own) : NULL;
        if (!heir || canvas_kind_of(heir) != CANVAS_GROUP)
                return own;
        JSON_OWNED json_t *chord = replace_chord_of(f, json_copy(heir));
        if (chord && json_object_clear(heir) == 0 && json_object_update(heir, chord) == 0)
                return own;
        json_decref(own);
        return NULL;
}

static void replace_set_nesting(const struct followers *f, json_t *signature)
{
        json_object_set_new(canvas_options(signature), "replaced_task_nesting",
                            json_integer((json_int_t)f->of->nesting + 1));
}

/* Among its headers, where it travels through other programs' workers as well. */
static void replace_set_heir(json_t *signature)
{
        json_t *options = canvas_options(signature), *own = json_object_get(options, "headers");
        json_t *headers = json_is_object(own) ? json_copy(own) : json_object();
        json_object_set_new(headers, "chard_heir", json_true());
        json_object_set_new(options, "headers", headers);
}

/* The task's id is that of whoever gives the canvas's result, and so is its row in the store. */
static void replace_hand_over_id(const struct followers *f, json_t *signature)
{
        json_t *heir = replace_heir_of(signature);
        replace_set_nesting(f, signature);
        if (!heir)
                return;
        replace_set_nesting(f, heir);
        if (f->how->keeps && f->how->keeps(f->of->name, f->of->heir, f->how->arg))
                replace_set_heir(heir);
        json_object_set_new(canvas_options(heir), "task_id", json_string(f->of->id));
}

/* A chain that becomes part of a longer one keeps what was linked to it as a whole: its callbacks with its last task, its errbacks with each. */
static void replace_push_down_links(json_t *chain)
{
        static const char *const kinds[] = { "link", "link_error" };
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
                json_t *links = json_incref(json_object_get(canvas_options(chain), kinds[i]));
                json_object_del(canvas_options(chain), kinds[i]);
                if (links && !json_is_null(links))
                        canvas_link(chain, kinds[i], links);
                json_decref(links);
        }
}

/* The canvas, then what is left of the task's chain. Takes it; new reference. */
static json_t *replace_with_rest(const struct followers *f, json_t *takes)
{
        json_t *rest = json_deep_copy(f->of->chain), *tasks = json_pack("[o]", takes);
        for (size_t i = json_array_size(rest); i > 0; i--) {
                replace_set_nesting(f, json_array_get(rest, i - 1));
                json_array_append(tasks, json_array_get(rest, i - 1));
        }
        json_decref(rest);
        return canvas_chain(tasks);
}

int canvas_replace(struct followers *f, const json_t *canvas)
{
        const struct task_message *t = f->of;
        json_t *own = replace_with_one_result(f, canvas), *child = NULL;
        if (!own)
                return -ENOMEM;
        if (canvas_kind_of(own) == CANVAS_CHAIN)
                replace_push_down_links(own);
        if (t->callbacks)
                canvas_link(own, "link", t->callbacks);
        if (t->errbacks)
                canvas_link(own, "link_error", t->errbacks);
        replace_hand_over_id(f, own);
        canvas_attach(f, own, t->group_id, t->chord, t->group_index);
        if (json_array_size(t->chain) > 0)
                own = replace_with_rest(f, own);
        const int rc = own ? canvas_send(f, own, &child, NULL) : -ENOMEM;
        json_decref(child);
        json_decref(own);
        return rc;
}

/* ---- one more part of the chord ---- */

int canvas_check_addition(const struct followers *f, const json_t *canvas)
{
        if (!f->of->chord || !f->of->group_id)
                return problem_set(f->why, "task", "bad_addition", "Current task is not member of any chord");
        if (json_object_get(json_object_get(canvas, "options"), "chord"))
                return problem_set(f->why, "task", "bad_addition",
                                   "what is added to a chord must not be part of another");
        if (canvas_kind_of(canvas) == CANVAS_CHAIN && json_array_size(canvas_tasks(canvas)) == 0)
                return problem_set(f->why, "task", "bad_addition", "an empty chain gives a chord no result");
        return 0;
}

/* Before anything is sent, so that the header can't be complete without it. Named by who gives the result: once, however often it is told. */
static void replace_count_more(struct followers *f, json_t *canvas)
{
        json_t *heir = replace_heir_of(canvas);
        if (!heir || !f->how->chords)
                return;
        json_t *row = json_pack("{s:s, s:s, s:I}", "group", f->of->group_id, "more", canvas_id(f, heir), "size",
                                (json_int_t)canvas_size(canvas));
        if (!f->out->chords)
                f->out->chords = json_array();
        json_array_append_new(f->out->chords, row);
}

int canvas_add_to_chord(struct followers *f, const json_t *canvas)
{
        json_t *own = replace_with_one_result(f, canvas), *child = NULL; /* of a group, the list: it is one part */
        if (!own)
                return -ENOMEM;
        canvas_attach(f, own, f->of->group_id, f->of->chord, f->of->group_index);
        replace_count_more(f, own);
        const int rc = canvas_send(f, own, &child, NULL);
        followers_add_child(f, child);
        json_decref(own);
        return rc;
}
