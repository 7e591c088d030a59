/* SPDX-License-Identifier: Apache-2.0 */
/* Canvas: what becomes of groups, chains and chords when they are sent on, as celery.canvas of Celery 5.7 does it. A canvas that
 * arrives in a message is a signature like any other, `subtask_type` says which; its parts stand in its kwargs. Internal to message/. */
#ifndef CHARD_MESSAGE_CANVAS_H
#define CHARD_MESSAGE_CANVAS_H

#include "core/id.h"
#include "message/canvas/parts.h"
#include "message/message.h"

/* What all followers of one task have in common, and what has been made of them so far. */
struct followers {
        const struct task_message *of;
        const char *parent_id; /* of what is sent; and what its ids are derived from: */
        const char *seed;      /* `of` itself, or whoever it is sent for */
        const struct follow_how *how;
        struct problem *why;
        struct following *out;
        struct message **end; /* where the next message is linked */
        size_t bytes;         /* of all bodies */
        size_t tasks;
        size_t made; /* ids, for derived ones */
        bool aside;  /* they are errbacks, or follow one */
        unsigned depth;
        json_t *begun;      /* the result tuple of the first task of the outermost chain, for canvas_send; or NULL */
        unsigned long lost; /* json_memory_lost() when it began: canvases are built without looking at each call */
};

/* How deep canvases may nest in one another: what is written must still be read by the next worker. */
#define CANVAS_DEEPEST 40

/* All bodies that one task sends on, together. A chord's body travels in every message of its header. */
#define CANVAS_MOST_BYTES ((size_t)256 << 20)

/* And so many tasks: to write them holds up the loop, a second for about this number. */
#define CANVAS_MOST_TASKS 20000

/* Check a signature and all within: shapes, names, options, and that every task can be routed. Returns 0, or 1 with `why`. */
int canvas_check(const struct followers *f, const json_t *signature);

/* Send a signature with `first` (JSON text, may be empty) before its arguments and `over` (options, or NULL) over its own. *result, when
 * wanted: what Celery's result of it looks like as a tuple (new reference; may be NULL: nothing was sent). Returns as task_message_successors. */
int canvas_apply(struct followers *f, const json_t *signature, struct bytes first, const json_t *over, json_t **result);

/* The same for one that is asked for by a task: *child (new reference) is what was sent as a result tuple, *whole, unless `whole` is NULL, what
 * Celery's apply_async returns: the last task's result with those before it as its parents. Both are NULL when nothing was sent. */
int canvas_send(struct followers *f, const json_t *signature, json_t **child, json_t **whole);

/* The id of what stands at that place among what the task sends: the same whenever it is sent again. */
void follower_id(const struct followers *f, const char *place, size_t index, char id[ID_TEXT_SIZE]);

/* ---- any signature: successors.c ---- */

/* Begin with nothing / give `rc` back, -ENOMEM where memory ran out for a part of it, and with an error nothing of what was made. */
struct followers followers_of(const struct task_message *of, const struct follow_how *how, struct following *out,
                              struct problem *why);
int followers_end(const struct followers *f, int rc);

/* Send a plain task or a canvas that stands alone, as canvas_apply. */
int followers_add(struct followers *f, const json_t *signature, struct bytes first, const char *place, size_t index,
                  json_t **result);

/* A child of the task's result (takes it; NULL adds none). / All that follows the task, given its result. */
void followers_add_child(struct followers *f, json_t *takes);
int followers_follow(struct followers *f, struct bytes result);

/* ---- replace.c ---- */

/* Send this canvas in the task's place. */
int canvas_replace(struct followers *f, const json_t *canvas);

/* Send this canvas as one more part of the header of the task's chord. / May one be added, and this one? 0, or 1 with f->why. */
int canvas_add_to_chord(struct followers *f, const json_t *canvas);
int canvas_check_addition(const struct followers *f, const json_t *canvas);

/* May it replace a task? 0, or 1 with f->why. */
int canvas_check_replacement(const struct followers *f, const json_t *canvas);

/* ---- plain tasks: successors.c ---- */

/* Write the message of one plain task. `chain`: an array whose last element is this very task, the others follow it; NULL: what its
 * options say. `place` and `index` make its id where it has none. */
int follower_add(struct followers *f, const json_t *signature, struct bytes first, const json_t *chain,
                 const char *place, size_t index, json_t **result);

/* Check a plain task; `routed`: whoever holds it says where it goes. */
int follower_check(const struct followers *f, const json_t *signature, bool routed);

/* ---- branches of the job: branches.c ---- */

/* Does the store hear of this task, or of one that follows it? */
bool branches_heard(const struct followers *f, const json_t *signature, const json_t *chain);

/* How many branches a chord's body will be, once it is sent. */
unsigned branches_of_body(const struct followers *f, const json_t *body);

/* Does the store hear of every task that is counted of this header? False where it holds groups: their results have another shape. */
bool branches_all_kept(const struct followers *f, const json_t *header);

/* ---- ids, places and results: follower_parts.c; all change a signature that nobody else holds ---- */

/* Its task id (a group's id), derived when it has none. Borrowed. */
const char *canvas_id(struct followers *f, json_t *signature);

/* Say that it belongs to a group and a chord (each may be NULL; index -1 = unknown): to a chain's last task, a chord's body, a group's tasks. */
void canvas_attach(struct followers *f, json_t *signature, const char *group_id, json_t *chord, json_int_t index);

/* The result tuple of a signature, its ids derived where they are missing. New reference. */
json_t *canvas_result(struct followers *f, json_t *signature);

/* Give every task and group in it an id. / The result tuple of such a one, each result with the one before it as its parent, as far as Celery says
 * it: takes `parent`, spoils the signature. New reference, or NULL. (lineage.c) */
void canvas_freeze(struct followers *f, json_t *signature);
json_t *canvas_lineage(struct followers *f, json_t *signature, json_t *parent_takes);

/* ---- chains: chain.c ---- */

/* Take a chain apart into what is sent one after the other, in reverse; groups before a task become chords. *out: a new array.
 * Returns 0; 1 with `why` when it nests too deep; or -ENOMEM. */
int canvas_steps(struct followers *f, json_t *chain, json_t **out);

#endif
