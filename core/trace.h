/* SPDX-License-Identifier: Apache-2.0 */
/* W3C trace context. Source: W3C Recommendation "Trace Context", 3.2 (traceparent). Pure; any thread. */
#ifndef CHARD_CORE_TRACE_H
#define CHARD_CORE_TRACE_H

#include <stdbool.h>

/* Bytes of a traceparent: version, trace id, parent id and flags. */
enum {
        TRACE_PARENT_SIZE = 55,
        TRACE_ID_AT = 3,
        TRACE_ID_SIZE = 32 /* where its trace id begins, and how long that is */
};

/* Is it a well-formed traceparent of the version that is written today ("00-…"), so that it may become a header as it stands? */
bool trace_is_parent(const char *text);

/* Is it one whose flags say that the trace is recorded? */
bool trace_is_sampled(const char *text);

#endif
