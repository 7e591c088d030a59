/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks, and times as the wire writes them. */
#ifndef CHARD_CORE_CLOCK_H
#define CHARD_CORE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Milliseconds that never jump; for deadlines and back-off. */
uint64_t clock_mono_ms(void);

/* Microseconds that never jump; for measuring. */
uint64_t clock_mono_us(void);

/* Milliseconds since 1970-01-01 UTC; for what others read. */
int64_t clock_wall_ms(void);

/* The same in microseconds. */
int64_t clock_wall_us(void);

#define CLOCK_TEXT_SIZE 40

/* Write `wall_ms` as ISO 8601 in UTC with milliseconds ("2026-11-21T08:42:22.123+00:00"). */
void clock_format(int64_t wall_ms, char out[CLOCK_TEXT_SIZE]);

/* Read ISO 8601: date and time, 'T' or a space between them, optional seconds and a fraction of them (cut to
 * milliseconds), optional zone ("Z", "+09:00", "+0900", "+09"); without a zone it is UTC, as Celery has it.
 * A leap second is the second after it.
 * Returns 0, or 1 when the text is no such time or out of the years 1 … 9999 UTC; then *wall_ms is as before. */
int clock_parse(const char *text, int64_t *wall_ms);

#endif
