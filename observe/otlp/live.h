/* SPDX-License-Identifier: Apache-2.0 */
/* A span of something that is no run of a task: a request that is served, a webhook that is told, an event that is acted on, a dead letter that is filed. It costs
 * a look at a pointer where nobody wants spans. Loop thread. */
#ifndef CHARD_OBSERVE_OTLP_LIVE_H
#define CHARD_OBSERVE_OTLP_LIVE_H

#include "observe/otlp/export.h"
#include "observe/otlp/sampling.h"

/* Where the spans of a process go, and which of them. */
struct span_source {
        struct otlp *otlp;  /* borrowed until the end */
        const char *system; /* messaging.system: "rabbitmq", "chard"; constant */
        struct sampling sampling;
        uint64_t slow_ms; /* what took as long is kept whatever its sampling says; 0 = nothing is */
};

struct live_span {
        const struct span_source *source; /* NULL: nobody wants it */
        bool named, on;                   /* its trace is known; it is recorded */
        char trace[TRACE_ID_SIZE + 1], parent[TRACE_SPAN_SIZE + 1];
        uint64_t id, begun_us;               /* of the monotonic clock … */
        int64_t ahead_us;                    /* … which the wall clock is ahead of by so much */
        char context[TRACE_PARENT_SIZE + 1]; /* the traceparent of what goes on from it; "" unless it is recorded */
};

/* It begins now: a part of the trace that `traceparent` names, and recorded as that says. NULL, or one that is not well formed: its trace is not known yet. */
void live_span_begin(struct live_span *span, const struct span_source *source, const char *traceparent);

/* Where its trace is not known yet: it is this job's (sampling_trace_of; NULL: a new one), and recorded if that is one of the share. */
void live_span_name(struct live_span *span, const char *job);

/* What goes on from it has this for a traceparent: its own where it is recorded, else `otherwise`. */
const char *live_span_context(const struct live_span *span, const char *otherwise);

/* It ends now. `what` has its name, kind, outcome, attributes and events. One that is not recorded is kept if it failed, or took long and is no request's: a client may
 * wait for as long as it likes. */
void live_span_end(struct live_span *span, struct otlp_span what);

/* How far the wall clock is ahead of the monotonic one, in microseconds. Spans that belong together are told with one such figure, so that none begins before its parent. */
int64_t span_ahead_us(void);

#endif
