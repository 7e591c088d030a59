/* SPDX-License-Identifier: Apache-2.0 */
/* Canvases as celery.canvas of Celery 5.7 treats them on the client's side: composed, frozen (given ids and places), and applied. A signature is the
 * JSON object that travels. Parts are shared by reference where Celery shares them: what is frozen in one place shows in the other. */
#ifndef CHARD_LIB_CANVAS_H
#define CHARD_LIB_CANVAS_H

#include "lib/lib.h"

/* What a task becomes part of. */
struct place {
        const char *group_id; /* or NULL */
        json_t *chord;        /* its body, or NULL */
        json_int_t index;     /* in the group; -1 = none */
};
extern const struct place canvas_nowhere;

struct planning {
        const char *reply_to; /* or NULL */
        struct plan *out;
        struct problem *why; /* its code is empty as long as nothing is refused */
        unsigned depth;
        bool failed; /* memory ran out */
};

/* One level deeper in canvases; false, with `why`, when that is too deep. Each true is followed by a canvas_leave. */
bool canvas_enter(struct planning *p);
void canvas_leave(struct planning *p);

/* Change an object or array; note when memory runs out. Those named takes take the value. */
void canvas_set(struct planning *p, json_t *object, const char *key, json_t *takes);
void canvas_push(struct planning *p, json_t *array, json_t *takes);

json_t *canvas_options(const json_t *signature);
const char *canvas_id(const json_t *signature); /* "" = none */
json_t *canvas_header(const json_t *chord);     /* a group once it is frozen, else an array */
json_t *canvas_body(const json_t *chord);
json_t *canvas_unrolled(json_t *signature); /* a group of one is that one; borrowed */
json_t *canvas_new_id(void);

/* ---- compose.c ---- */

/* What the caller built, as Celery's `|` builds it. New reference, all of it our own; NULL when refused or memory ran out. */
json_t *canvas_compose(struct planning *p, const json_t *built);

/* ---- freeze.c; results are trees: [[id, null], null] of a task, [[id, null], [results]] of a group ---- */

json_t *canvas_clone(struct planning *p, json_t *signature);

/* Options with others over them; a group's id, once given, stays. New reference. */
json_t *canvas_merged(struct planning *p, const json_t *options, const json_t *over);

/* Give it its id (`id`, or NULL = a new one) and its place. New reference to its result. */
json_t *canvas_freeze(struct planning *p, json_t *signature, const char *id, const struct place *at);

/* Lay out a chain: *tasks (new reference) what is sent one after the other, in reverse; the last of them has `id` and is at that place. New reference to
 * the result of the whole. */
json_t *canvas_prepare(struct planning *p, json_t *chain, const char *id, const struct place *at, json_t **tasks);

/* A chain that is a chord's body: its chords' own bodies follow them as further steps. */
void canvas_unroll_chords(struct planning *p, json_t *chain);

/* What is about to travel: headers of chords that wait in it need not carry the body that the chord has anyway. */
void canvas_strip(json_t *signature);

#endif
