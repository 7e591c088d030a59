/* SPDX-License-Identifier: Apache-2.0 */
/* Which deliveries of one channel are still unsettled, so that many acks can leave as few frames: everything below the
 * oldest unsettled one goes out as a single `multiple`. Owned by one thread. */
#ifndef CHARD_BROKER_AMQP_CONSUME_TAGS_H
#define CHARD_BROKER_AMQP_CONSUME_TAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialise to start; RabbitMQ numbers a channel's deliveries from 1. */
struct tags {
        uint64_t *bits;  /* ring of settled flags, one bit a delivery */
        size_t capacity; /* in bits, a power of two, or 0 */
        uint64_t oldest; /* the oldest unsettled delivery, or next when there is none; 0 before the first */
        uint64_t next;   /* the delivery that comes next; 0 before the first */
        size_t unsettled;
};

/* A delivery came. Returns 0; -ENOMEM; or -EPROTO for a number that can't be: 0, one that is not above the last, or far above it. */
int tags_delivered(struct tags *t, uint64_t tag);

/* Settle it. False when it is not outstanding: settled before, or never delivered on this channel. */
bool tags_settle(struct tags *t, uint64_t tag);

/* Move past what is settled. Afterwards everything below t->oldest is settled, so one frame may name it all:
 * of the tags just settled, those below t->oldest need no frame of their own but for the highest. */
void tags_advance(struct tags *t);

void tags_clear(struct tags *t);

#endif
