/* SPDX-License-Identifier: Apache-2.0 */
/* W3C trace context and baggage: what may become an HTTP header as it stands. Source: W3C Recommendation "Trace Context", 3.2 (traceparent) and 3.3
 * (tracestate); W3C "Propagation format for distributed context: Baggage", 3 (baggage). Pure; any thread. */
#ifndef CHARD_CORE_TRACE_H
#define CHARD_CORE_TRACE_H

#include "core/arena.h"
#include "core/bytes.h"

#include <stdbool.h>

/* All borrowed. */
struct trace_context {
        const char *parent;          /* traceparent, or NULL */
        struct bytes state, baggage; /* tracestate and baggage; without data: there is none */
};

/* Bytes of a traceparent: version, trace id, parent id and flags. */
enum {
        TRACE_PARENT_SIZE = 55,
        TRACE_ID_AT = 3,
        TRACE_ID_SIZE = 32, /* where its trace id begins, and how long that is */
        TRACE_SPAN_AT = 36,
        TRACE_SPAN_SIZE = 16 /* the same of the id of the span that it is of */
};

/* Is it a well-formed traceparent of the version that is written today ("00-…"), so that it may become a header as it stands? */
bool trace_is_parent(const char *text);

/* Is it a well-formed tracestate, of at most 32 members and 512 bytes? / A baggage, of at most 180 members and 8192 bytes? Those are the sizes that
 * everybody must pass on; what is longer, or has any byte that does not belong there, is none. */
bool trace_is_state(struct bytes text);
bool trace_is_baggage(struct bytes text);

/* What of it is well formed, for an outbox row's tracingspancontext: the text of a Java properties file, "traceparent=…", "tracestate=…" and "baggage=…", a
 * line each, as Debezium's event router reads it. In the arena. NULL: nothing is, or memory ran out. */
const char *trace_write_properties(struct arena *arena, const struct trace_context *trace);

/* Read such a text, whoever wrote it: what is well formed in it. Fields live in the arena; what there is no memory for is missing. */
struct trace_context trace_read_properties(struct arena *arena, const char *text);

/* The same fields without those that are not well formed; tracestate needs a traceparent beside it. */
struct trace_context trace_well_formed(const struct trace_context *trace);

/* Is it one whose flags say that the trace is recorded? */
bool trace_is_sampled(const char *text);

#endif
