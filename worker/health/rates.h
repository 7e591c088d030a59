/* SPDX-License-Identifier: Apache-2.0 */
/* How the attempts of each task fared lately: counted by the minute, over five minutes. Time comes in. Owned by the loop thread. */
#ifndef CHARD_WORKER_HEALTH_RATES_H
#define CHARD_WORKER_HEALTH_RATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RATES_MINUTES = 5 };

struct rates_row {
        struct {
                uint64_t minute;
                unsigned ok, failed;
        } minutes[RATES_MINUTES];
};

/* An attempt ended. */
void rates_count(struct rates_row *row, bool ok, uint64_t now_ms);

/* The last five minutes, the one under way included. */
void rates_sum(const struct rates_row *row, uint64_t now_ms, unsigned *ok, unsigned *failed);

#endif
