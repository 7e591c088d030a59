/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/health/rates.h"

enum { MINUTE_MS = 60000 };

static void rates_add(struct rates *sums, const struct rates *more)
{
        sums->ok += more->ok;
        sums->failed += more->failed;
        sums->took_ms += more->took_ms;
        sums->cost_nano += more->cost_nano;
}

void rates_count(struct rates_row *row, const struct rates *more, uint64_t now_ms)
{
        const uint64_t minute = now_ms / MINUTE_MS + 1; /* 0 = never used */
        const size_t at = minute % RATES_MINUTES;
        if (row->minutes[at].minute != minute) {
                row->minutes[at].minute = minute;
                row->minutes[at].sums = (struct rates){ 0 };
        }
        rates_add(&row->minutes[at].sums, more);
}

struct rates rates_sum(const struct rates_row *row, uint64_t now_ms)
{
        const uint64_t minute = now_ms / MINUTE_MS + 1;
        struct rates sums = { 0 };
        for (size_t i = 0; i < RATES_MINUTES; i++)
                if (row->minutes[i].minute != 0 && row->minutes[i].minute + RATES_MINUTES > minute)
                        rates_add(&sums, &row->minutes[i].sums);
        return sums;
}
