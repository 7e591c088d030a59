/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a signature, for whoever sends one: a client that plans what it sends (plan.h), a worker that sends what follows a task
 * (canvas.h). A signature is the JSON object that travels, `{"task", "args", "kwargs", "options", "subtask_type", "immutable"}`. What is
 * returned is borrowed from it unless it says "new reference"; functions that change one want a signature that nobody else holds. */
#ifndef CHARD_MESSAGE_CANVAS_PARTS_H
#define CHARD_MESSAGE_CANVAS_PARTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum canvas_kind { CANVAS_TASK, CANVAS_GROUP, CANVAS_CHAIN, CANVAS_CHORD };
enum canvas_kind canvas_kind_of(const json_t *signature);

/* Is it a plain task (or a map of one), and no group, chain or chord? */
bool canvas_is_plain(const json_t *signature);

/* The tasks of a group or chain, the header of a chord: an array, or NULL. */
json_t *canvas_tasks(const json_t *signature);
json_t *canvas_header(const json_t *chord);   /* a group or an array of signatures; or whatever else came there */
json_t *canvas_body(const json_t *signature); /* of a chord, or NULL */
json_t *canvas_last(const json_t *signature); /* the last of a chain's or group's tasks that gives a result, or NULL */

/* Does it give any result at all? Only empty canvases don't. */
bool canvas_gives_result(const json_t *signature);

/* A group of one is that one. */
json_t *canvas_unrolled(json_t *signature);

/* Is it a chord that a chain led by a task is the body of? It may travel as the chord with that task, then the rest of the chain, so that not
 * every task of its header carries them all. */
bool canvas_splits(const json_t *signature);

/* How many results it gives to a chord whose header it stands in. */
size_t canvas_size(const json_t *signature);

/* Its options, made when there are none; NULL when memory ran out. / Those that it has, or NULL. */
json_t *canvas_options(json_t *signature);
json_t *canvas_options_given(const json_t *signature);

/* Options with others over them, as Signature._merge: a group's id and stamps stay; `nulls`: JSON's null takes another's place too. New
 * reference; NULL when memory ran out. */
json_t *canvas_merge(const json_t *options, const json_t *over, bool nulls);

/* A chain hands its options to its first task, but for those that are about the chain as a whole. False when memory ran out. */
bool canvas_hand_options(json_t *first, const json_t *chain);

/* Put a callback or errback ("link", "link_error") to the task that has the canvas's result. */
void canvas_link(json_t *signature, const char *kind, const json_t *callbacks);

/* Put them to what these options hold of that kind already. */
void canvas_append_links(json_t *options, const char *kind, const json_t *callbacks);

/* A chain or group of these tasks (takes the array), a chord of header and body (takes both). New reference; NULL when memory ran out. */
json_t *canvas_chain(json_t *tasks_takes);
json_t *canvas_group(json_t *tasks_takes);
json_t *canvas_chord(json_t *header_takes, json_t *body_takes);

/* A group's or header's tasks, with groups among them taken apart. New array of the same (mutable) signatures. `frozen`: in the order in which
 * Celery freezes a header: a group's tasks reversed, where it stood. */
json_t *canvas_flat(json_t *tasks, bool frozen);

#endif
