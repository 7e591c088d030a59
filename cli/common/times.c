/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/common/times.h"

#include "core/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* "2h": that long ago; else ISO 8601. */
bool time_read(const char *text, int64_t *out)
{
        static const struct {
                char unit;
                int64_t ms;
        } units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 }, { 'd', 86400000 } };
        char *end;
        errno = 0;
        const long number = strtol(text, &end, 10);
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
                if (end != text && *end == units[i].unit && !end[1] && number >= 0 && number < 1000000 && errno == 0) {
                        *out = clock_wall_ms() - number * units[i].ms;
                        return true;
                }
        }
        return clock_parse(text, out) == 0;
}
