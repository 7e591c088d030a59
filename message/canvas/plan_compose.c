/* SPDX-License-Identifier: Apache-2.0 */
/* `a | b | c` as Celery's client composes it: a group that something follows becomes a chord, what follows a chord goes to its body. */
#include "core/json.h"
#include "message/canvas/plan_own.h"

static json_t *compose_pipe(struct planning *p, json_t *takes, json_t *next);

static json_t *compose_new_chain(struct planning *p, json_t *takes)
{
        json_t *chain = canvas_chain(takes);
        p->failed = p->failed || !chain;
        return chain;
}

static json_t *compose_new_chord(struct planning *p, json_t *header, json_t *body)
{
        json_t *chord = canvas_chord(json_incref(canvas_tasks(header)), json_incref(body));
        p->failed = p->failed || !chord;
        return chord;
}

static void compose_pipe_body(struct planning *p, json_t *chord, json_t *next)
{
        json_t *body = json_incref(canvas_body(chord));
        plan_set(p, json_object_get(chord, "kwargs"), "body", compose_pipe(p, body, next));
}

/* chain(first, next); the steps of a chain are laid after it. */
static json_t *compose_two(struct planning *p, json_t *takes, json_t *next)
{
        json_t *steps = json_array();
        plan_push(p, steps, takes);
        if (canvas_kind_of(next) == CANVAS_CHAIN)
                json_array_extend(steps, canvas_tasks(next));
        else
                plan_push(p, steps, json_incref(canvas_unrolled(next)));
        return compose_new_chain(p, steps);
}

/* A group before the end becomes a chord; two chords in a row become one whose body goes on with the other. */
static void compose_close_group(struct planning *p, json_t *steps, json_t *next)
{
        const size_t last = json_array_size(steps) - 1;
        JSON_OWNED json_t *chord = compose_new_chord(p, json_array_get(steps, last), next);
        if (last > 0 && canvas_kind_of(json_array_get(steps, last - 1)) == CANVAS_CHORD) {
                compose_pipe_body(p, json_array_get(steps, last - 1), chord);
                json_array_remove(steps, last);
        } else {
                json_array_set(steps, last, chord);
        }
}

static json_t *compose_pipe_chain(struct planning *p, json_t *takes, json_t *next)
{
        json_t *steps = canvas_tasks(takes), *part;
        const size_t count = json_array_size(steps);
        const enum canvas_kind last = canvas_kind_of(json_array_get(steps, count - 1)), kind = canvas_kind_of(next);
        size_t i;
        if (kind == CANVAS_CHAIN) {
                json_array_foreach(canvas_tasks(next), i, part)
                        takes = compose_pipe(p, takes, part);
        } else if (kind == CANVAS_GROUP && count == 0) {
                json_decref(takes);
                return json_incref(next);
        } else if (count > 0 && last == CANVAS_CHORD && kind != CANVAS_CHORD) {
                compose_pipe_body(p, json_array_get(steps, count - 1), next);
        } else if (count > 0 && last == CANVAS_GROUP && kind != CANVAS_GROUP) {
                compose_close_group(p, steps, next);
        } else {
                plan_push(p, steps, json_incref(next));
        }
        return takes;
}

static json_t *compose_pipe_chord(struct planning *p, json_t *takes, json_t *next)
{
        const enum canvas_kind kind = canvas_kind_of(canvas_unrolled(next));
        if (canvas_kind_of(next) == CANVAS_CHAIN || kind == CANVAS_GROUP)
                return compose_two(p, takes, next);
        compose_pipe_body(p, takes, canvas_unrolled(next));
        return takes;
}

static json_t *compose_pipe_group(struct planning *p, json_t *takes, json_t *next)
{
        json_t *chord = compose_new_chord(p, takes, next);
        json_decref(takes);
        return chord;
}

/* Takes the first, which is changed; new reference. */
static json_t *compose_pipe(struct planning *p, json_t *takes, json_t *next)
{
        if (!plan_enter(p))
                return takes;
        json_t *made = NULL;
        switch (canvas_kind_of(takes)) {
        case CANVAS_TASK: made = compose_two(p, takes, next); break;
        case CANVAS_CHAIN: made = compose_pipe_chain(p, takes, canvas_unrolled(next)); break;
        case CANVAS_GROUP: made = compose_pipe_group(p, takes, next); break;
        case CANVAS_CHORD: made = compose_pipe_chord(p, takes, next); break;
        }
        plan_leave(p);
        return made;
}

static json_t *compose_all(struct planning *p, const json_t *parts)
{
        json_t *all = json_array(), *part;
        size_t i;
        json_array_foreach(parts, i, part)
                plan_push(p, all, plan_compose(p, part));
        return all;
}

static json_t *compose_chain(struct planning *p, const json_t *built)
{
        JSON_OWNED json_t *parts = compose_all(p, canvas_tasks(built));
        json_t *part;
        size_t i;
        if (json_array_size(parts) == 1)
                return compose_new_chain(p, json_incref(parts));
        json_t *made = compose_new_chain(p, json_array());
        json_array_foreach(parts, i, part)
                made = compose_pipe(p, made, part);
        return made;
}

/* Groups in it are laid open, in their order. */
static json_t *compose_members(struct planning *p, const json_t *group)
{
        JSON_OWNED json_t *parts = compose_all(p, canvas_tasks(group));
        json_t *members = json_array(), *part;
        size_t i;
        json_array_foreach(parts, i, part) {
                if (canvas_kind_of(part) == CANVAS_GROUP)
                        json_array_extend(members, canvas_tasks(part));
                else
                        plan_push(p, members, json_incref(part));
        }
        return members;
}

json_t *plan_compose(struct planning *p, const json_t *built)
{
        const json_t *kwargs = json_object_get(built, "kwargs");
        json_t *made = NULL;
        if (!plan_enter(p))
                return NULL;
        switch (canvas_kind_of(built)) {
        case CANVAS_TASK: made = json_deep_copy(built); break;
        case CANVAS_CHAIN: made = compose_chain(p, built); break;
        case CANVAS_GROUP: made = canvas_group(compose_members(p, built)); break;
        case CANVAS_CHORD:
                made = canvas_chord(compose_members(p, json_object_get(kwargs, "header")),
                                    plan_compose(p, json_object_get(kwargs, "body")));
                break;
        }
        p->failed = p->failed || !made;
        plan_leave(p);
        return made;
}
