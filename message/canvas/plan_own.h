/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of plan.h share: canvases are composed, frozen (given ids and places), and applied. Parts are shared by reference where
 * Celery shares them: what is frozen in one place shows in the other. */
#ifndef CHARD_MESSAGE_CANVAS_PLAN_OWN_H
#define CHARD_MESSAGE_CANVAS_PLAN_OWN_H

#include "core/problem.h"
#include "message/canvas/parts.h"

struct plan;

/* What a task becomes part of. */
struct place {
        const char *group_id; /* or NULL */
        json_t *chord;        /* its body, or NULL */
        json_int_t index;     /* in the group; -1 = none */
};
extern const struct place plan_nowhere;

struct planning {
        const char *reply_to; /* or NULL */
        struct plan *out;
        struct problem *why; /* its code is empty as long as nothing is refused */
        unsigned depth;
        bool failed; /* memory ran out */
};

/* One level deeper in canvases; false, with `why`, when that is too deep. Each true is followed by a plan_leave. */
bool plan_enter(struct planning *p);
void plan_leave(struct planning *p);

/* Change an object or array; note when memory runs out. Those named takes take the value. */
void plan_set(struct planning *p, json_t *object, const char *key, json_t *takes);
void plan_push(struct planning *p, json_t *array, json_t *takes);

const char *plan_id(const json_t *signature); /* "" = none */
json_t *plan_new_id(void);

/* ---- plan_compose.c ---- */

/* What the caller built, as Celery's `|` builds it. New reference, all of it our own; NULL when refused or memory ran out. */
json_t *plan_compose(struct planning *p, const json_t *built);

/* ---- plan_freeze.c; results are trees: [[id, null], null] of a task, [[id, null], [results]] of a group ---- */

json_t *plan_clone(struct planning *p, json_t *signature);

/* Options with others over them, also with null; a group's id, once given, stays. New reference. */
json_t *plan_merged(struct planning *p, const json_t *options, const json_t *over);

/* Give it its id (`id`, or NULL = a new one) and its place. New reference to its result. */
json_t *plan_freeze(struct planning *p, json_t *signature, const char *id, const struct place *at);

/* Lay out a chain: *tasks (new reference) what is sent one after the other, in reverse; the last of them has `id` and is at that place. New reference to
 * the result of the whole. */
json_t *plan_prepare(struct planning *p, json_t *chain, const char *id, const struct place *at, json_t **tasks);

/* A chain that is a chord's body: its chords' own bodies follow them as further steps. */
void plan_unroll_chords(struct planning *p, json_t *chain);

/* What is about to travel: headers of chords that wait in it need not carry the body that the chord has anyway. */
void plan_strip(json_t *signature);

#endif
