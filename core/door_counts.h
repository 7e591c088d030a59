/* SPDX-License-Identifier: Apache-2.0 */
/* How a door's calls fared: counted by the backend behind it, group by group, with one look at the clock a group. One thread's own. */
#ifndef CHARD_CORE_DOOR_COUNTS_H
#define CHARD_CORE_DOOR_COUNTS_H

#include "core/metrics/histogram.h"

#include <stdint.h>

struct door_counts {
        uint64_t calls;  /* that were answered */
        uint64_t errors; /* … with a refusal; what is repeated counts each time */
        uint64_t groups; /* that they went together in */
        uint64_t
                total_us; /* that the groups took, each from when it was sent; those under way beside one another count each */
        uint64_t last_us; /* that the last one took */
        uint64_t losses;  /* of a connection */
        uint64_t open;    /* calls of the last group so far */
        struct histogram sizes,
                seconds; /* of groups; no buckets yet: there was none. The last one's size is there once the next one has ended */
};

extern const struct buckets door_sizes, door_seconds;

/* A group was answered, `took_us` after it was sent. The calls that are counted from now on are its. */
void door_counts_group(struct door_counts *c, uint64_t took_us);

static inline void door_counts_calls(struct door_counts *c, uint64_t calls, uint64_t errors)
{
        c->calls += calls;
        c->errors += errors;
        c->open += calls;
}

/* A group of `calls` was answered, `took_us` after it was sent. */
static inline void door_counts_add(struct door_counts *c, uint64_t calls, uint64_t errors, uint64_t took_us)
{
        door_counts_group(c, took_us);
        door_counts_calls(c, calls, errors);
}

#endif
