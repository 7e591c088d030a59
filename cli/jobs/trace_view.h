/* SPDX-License-Identifier: Apache-2.0 */
/* How a timeline is laid out for people. Pure. */
#ifndef CHARD_CLI_JOBS_TRACE_VIEW_H
#define CHARD_CLI_JOBS_TRACE_VIEW_H

#include "core/bytes.h"

#include <jansson.h>

/* "+0.123 s", "+2h03m04s", "+12d05h": at most ten characters. */
const char *trace_since(int64_t ms, char out[32]);

/* What timeline_of gives as lines of at most `width` characters: since the first row, time of day, task, what happened. A line more says the day where it
 * changes. Memory loss shows in out->failed. */
void trace_lay_out(struct buffer *out, const json_t *timeline, size_t width);

#endif
