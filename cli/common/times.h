/* SPDX-License-Identifier: Apache-2.0 */
/* Times as people write them on a command line. */
#ifndef CHARD_CLI_COMMON_TIMES_H
#define CHARD_CLI_COMMON_TIMES_H

#include <stdbool.h>
#include <stdint.h>

/* "90s", "15m", "2h", "7d" ago, or ISO 8601: milliseconds since 1970 (UTC). False when it is neither. */
bool time_read(const char *text, int64_t *out);

#endif
