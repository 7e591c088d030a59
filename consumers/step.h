/* SPDX-License-Identifier: Apache-2.0 */
/* One step of a consumer, as the store takes it, from what its marked events led to. */
#ifndef CHARD_CONSUMERS_STEP_H
#define CHARD_CONSUMERS_STEP_H

#include "consumers/batch.h"

/* Borrows from the batch until it is settled. */
struct step_draft {
        struct consumer_step step;
        struct inbox_item items[CONSUMER_STEP_MAX];
        struct consumer_wait waits[CONSUMER_STEP_MAX];
        struct consumer_later laters[CONSUMER_STEP_MAX];
        int64_t overs[CONSUMER_STEP_MAX];
        struct dead_letter letters[CONSUMER_STEP_MAX];
};

/* Write it down: the marked events, CONSUMER_STEP_MAX at most, each with its verdict; those that wait are told for how long. */
void step_draw(struct step_draft *d, const struct consumer_def *def, int64_t epoch, struct batch *b);

#endif
