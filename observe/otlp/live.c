/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/otlp/live.h"

#include "core/clock.h"
#include "core/id.h"

#include <stdio.h>

/* Both clocks can't be read at once: of three tries that counts between whose two looks at the one the least time has gone by. */
int64_t span_ahead_us(void)
{
        uint64_t before_us = clock_mono_us(), least_us = UINT64_MAX;
        int64_t ahead_us = 0;
        for (int i = 0; i < 3; i++) {
                const int64_t wall_us = clock_wall_us();
                const uint64_t after_us = clock_mono_us(), gap_us = after_us - before_us;
                if (gap_us < least_us) {
                        least_us = gap_us;
                        ahead_us = wall_us - (int64_t)(before_us + gap_us / 2);
                }
                before_us = after_us;
        }
        return ahead_us;
}

static void live_span_decide(struct live_span *span, bool on)
{
        span->named = true;
        span->on = on;
        if (on)
                snprintf(span->context, sizeof(span->context), "00-%s-%016llx-01", span->trace,
                         (unsigned long long)span->id);
}

void live_span_begin(struct live_span *span, const struct span_source *source, const char *traceparent)
{
        *span = (struct live_span){ .source = source };
        if (!source)
                return;
        const uint64_t id = random_bits();
        span->id = id ? id : 1;
        span->begun_us = clock_mono_us();
        span->ahead_us = span_ahead_us();
        if (!traceparent || !trace_is_parent(traceparent))
                return;
        snprintf(span->trace, sizeof(span->trace), "%.*s", TRACE_ID_SIZE, traceparent + TRACE_ID_AT);
        snprintf(span->parent, sizeof(span->parent), "%.*s", TRACE_SPAN_SIZE, traceparent + TRACE_SPAN_AT);
        live_span_decide(span, trace_is_sampled(traceparent));
}

void live_span_name(struct live_span *span, const char *job)
{
        if (!span->source || span->named)
                return;
        sampling_trace_of(job, span->trace);
        live_span_decide(span, sampling_keeps(span->source->sampling, span->trace));
}

const char *live_span_context(const struct live_span *span, const char *otherwise)
{
        return span->on ? span->context : otherwise;
}

static bool live_span_is_slow(const struct live_span *span, enum otlp_kind kind)
{
        const uint64_t slow_ms = span->source->slow_ms;
        return slow_ms && kind != OTLP_SERVER && clock_mono_us() - span->begun_us >= slow_ms * 1000;
}

void live_span_end(struct live_span *span, struct otlp_span what)
{
        if (!span->source)
                return;
        live_span_name(span, NULL);
        if (span->on || what.failed || live_span_is_slow(span, what.kind)) {
                what.trace = span->trace;
                what.parent = span->parent;
                what.id = span->id;
                what.begin_us = (int64_t)span->begun_us + span->ahead_us;
                what.end_us = (int64_t)clock_mono_us() + span->ahead_us;
                otlp_add(span->source->otlp, &what);
        }
        span->source = NULL;
}
