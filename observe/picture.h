/* SPDX-License-Identifier: Apache-2.0 */
/* What one queue of the fleet holds and who works on it, put together from what the broker counts and what live workers say of themselves in their rows.
 * What is not known is said to be so: never 0. Pure. */
#ifndef CHARD_OBSERVE_PICTURE_H
#define CHARD_OBSERVE_PICTURE_H

#include "broker/broker.h"

#include <jansson.h>

enum { PICTURE_SILENT_MS = 6000 /* a row that is older is of a process that is gone: three beats */ };

/* -1: not known. */
struct picture {
        bool missing;                         /* the broker has no such queue */
        int64_t ready, in_flight, slots_free; /* in_flight and slots_free are of live workers */
        int64_t oldest_age_ms;                /* of the oldest ready message, at most; 0 where none is ready */
};

/* `depth`: as the broker says; NULL = it did not. `rows`: of all processes, as store_read.workers has them; NULL = the store did not say. *taken_ms is kept from
 * picture to picture, 0 at first: when the message that was taken last had come into the queue. */
struct picture picture_of(const char *queue, const struct queue_depth *depth, const json_t *rows, int64_t now_ms,
                          int64_t *taken_ms);

/* What of it must be known and is not, in words; NULL: all is known. (The age may be missing.) */
const char *picture_lacks(const struct picture *p);

/* {"ready","in_flight","oldest_age_s" (null: not known),"slots_free"}. A new reference or NULL. */
json_t *picture_json(const struct picture *p);

/* The role of a process and its state, by its row: "worker" or "keeper"; "consuming", "not_consuming", "stopped", "dead". Constant. */
const char *picture_role(const json_t *row);
const char *picture_state(const json_t *row);

#endif
