/* SPDX-License-Identifier: Apache-2.0 */
/* What is unacked, found by its tag's number: open hashing. Owned by one thread. */
#ifndef CHARD_BROKER_EMBEDDED_HELD_H
#define CHARD_BROKER_EMBEDDED_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct embedded_consumer;

struct held_entry {
        uint64_t number; /* 0 = an empty slot */
        struct embedded_consumer *consumer;
        int64_t id;
};

/* Zero-initialise to start. */
struct embedded_held {
        struct held_entry *slots;
        size_t count, capacity;
        uint64_t last; /* numbers count from 1 and never come twice */
};

/* Room for so many more. Returns 0 or -ENOMEM. */
int held_reserve(struct embedded_held *h, size_t more);

/* Note a delivery, for which there must be room. Returns its number. */
uint64_t held_add(struct embedded_held *h, struct embedded_consumer *consumer, int64_t id);

/* Take it out; false when there is none of that number. */
bool held_take(struct embedded_held *h, uint64_t number, struct held_entry *out);

void held_free(struct embedded_held *h);

#endif
