/* SPDX-License-Identifier: Apache-2.0 */
/* What log lines about a task say of it besides: its job, and the trace that it came with. */
#include "worker/run/run.h"

#include "core/log.h"
#include "core/trace.h"

#include <stdio.h>

static void known_ids(const char *task, struct log_ids *out, void *arg)
{
        const struct worker *w = (const struct worker *)arg;
        const struct run *run = map_get(w->by_id, task);
        if (!run)
                return;
        const char *trace = run->message.traceparent;
        snprintf(out->job, sizeof(out->job), "%s", run->message.root_id ? run->message.root_id : "");
        if (!trace || !trace_is_parent(trace))
                return;
        snprintf(out->trace_id, sizeof(out->trace_id), "%.*s", TRACE_ID_SIZE, trace + TRACE_ID_AT);
        snprintf(out->span_id, sizeof(out->span_id), "%.*s", TRACE_SPAN_SIZE, trace + TRACE_SPAN_AT);
}

void known_open(struct worker *w)
{
        log_know(known_ids, w);
}

void known_close(void)
{
        log_know(NULL, NULL);
}
