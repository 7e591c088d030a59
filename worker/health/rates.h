/* SPDX-License-Identifier: Apache-2.0 */
/* How the attempts of each task fared lately, and what they cost: summed up by the minute, over five minutes. Time comes in. Owned by the loop thread. */
#ifndef CHARD_WORKER_HEALTH_RATES_H
#define CHARD_WORKER_HEALTH_RATES_H

#include <stddef.h>
#include <stdint.h>

enum { RATES_MINUTES = 5 };

struct rates {
        unsigned ok, failed; /* attempts */
        uint64_t took_ms;    /* those that went well, together */
        int64_t cost_nano;   /* all of them: billionths of a US dollar */
};

struct rates_row {
        struct {
                uint64_t minute;
                struct rates sums;
        } minutes[RATES_MINUTES];
};

/* Attempts ended: add these. */
void rates_count(struct rates_row *row, const struct rates *more, uint64_t now_ms);

/* The last five minutes, the one under way included. */
struct rates rates_sum(const struct rates_row *row, uint64_t now_ms);

#endif
