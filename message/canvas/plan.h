/* SPDX-License-Identifier: Apache-2.0 */
/* What a client sends for a signature: from what its caller built to the messages that start it, as celery.canvas of Celery 5.7 lays it out.
 * Pure besides making ids; any thread. */
#ifndef CHARD_MESSAGE_CANVAS_PLAN_H
#define CHARD_MESSAGE_CANVAS_PLAN_H

#include "core/problem.h"
#include "message/message.h"

#include <jansson.h>

struct plan {
        json_t *tasks;  /* array of task signatures with all their options: one message each */
        json_t *chords; /* object: for each chord that starts at once its group's id: {"size": of its parts, "tree": of its results, where they nest} */
        json_t *members; /* where the result is a group's: the array of its members' trees, [[id, null], null or members]; else NULL */
        char id[MESSAGE_MAX_NAME + 1];    /* of the result: a task's own, a chain's last, a chord's body's, a group's */
        char first[MESSAGE_MAX_NAME + 1]; /* of the first task */
};

/* Give everything ids and lay it out as Celery's client does. `reply_to`: the queue for results, or NULL.
 * Returns 0; 1 with `why` (code "unsupported_canvas", "bad_signature"); or -ENOMEM. In each case plan_clear. */
int plan_make(const json_t *signature, const char *reply_to, struct plan *out, struct problem *why);
void plan_clear(struct plan *p);

#endif
