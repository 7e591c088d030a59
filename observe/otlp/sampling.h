/* SPDX-License-Identifier: Apache-2.0 */
/* Which traces are recorded, where nobody before has decided, and how a job's trace is called that has none. Pure. */
#ifndef CHARD_OBSERVE_OTLP_SAMPLING_H
#define CHARD_OBSERVE_OTLP_SAMPLING_H

#include "core/trace.h"

#include <stdint.h>

/* Of 2^56 traces so many. */
struct sampling {
        uint64_t share;
};

/* Read a share: "0", "0.01" … "1". False: it is none. */
bool sampling_read(const char *text, struct sampling *out);

/* The trace of a job: its id, where that is a UUID, so that each of its tasks is of one trace whoever runs it; else a new one. */
void sampling_trace_of(const char *root_id, char out[TRACE_ID_SIZE + 1]);

/* Is the trace of this id one of the share? Always the same answer for it. Source: W3C Trace Context 2, "random trace id flag": its last 56 bits are random. */
bool sampling_keeps(struct sampling s, const char *trace_id);

#endif
