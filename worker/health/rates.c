/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/health/rates.h"

enum { MINUTE_MS = 60000 };

void rates_count(struct rates_row *row, bool ok, uint64_t now_ms)
{
        const uint64_t minute = now_ms / MINUTE_MS + 1; /* 0 = never used */
        const size_t at = minute % RATES_MINUTES;
        if (row->minutes[at].minute != minute) {
                row->minutes[at].minute = minute;
                row->minutes[at].ok = row->minutes[at].failed = 0;
        }
        row->minutes[at].ok += ok;
        row->minutes[at].failed += !ok;
}

void rates_sum(const struct rates_row *row, uint64_t now_ms, unsigned *ok, unsigned *failed)
{
        const uint64_t minute = now_ms / MINUTE_MS + 1;
        *ok = *failed = 0;
        for (size_t i = 0; i < RATES_MINUTES; i++) {
                if (row->minutes[i].minute == 0 || row->minutes[i].minute + RATES_MINUTES <= minute)
                        continue;
                *ok += row->minutes[i].ok;
                *failed += row->minutes[i].failed;
        }
}
