/* SPDX-License-Identifier: Apache-2.0 */
/* How a door's calls fared: counted by the backend behind it, group by group, with one look at the clock a group. One thread's own. */
#ifndef CHARD_CORE_DOOR_COUNTS_H
#define CHARD_CORE_DOOR_COUNTS_H

#include <stdint.h>

struct door_counts {
        uint64_t calls;  /* that were answered */
        uint64_t errors; /* … with a refusal; what is repeated counts each time */
        uint64_t groups; /* that they went together in */
        uint64_t
                total_us; /* that the groups took, each from when it was sent; those under way beside one another count each */
        uint64_t last_us; /* that the last one took */
};

/* A group of `calls` was answered, `took_us` after it was sent. */
static inline void door_counts_add(struct door_counts *c, uint64_t calls, uint64_t errors, uint64_t took_us)
{
        c->calls += calls;
        c->errors += errors;
        c->groups++;
        c->total_us += took_us;
        c->last_us = took_us;
}

#endif
