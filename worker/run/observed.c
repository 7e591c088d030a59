/* SPDX-License-Identifier: Apache-2.0 */
/* What observers are told of a run. */
#include "worker/run/run.h"

#include "core/clock.h"

#include <errno.h>

static struct run_usage run_usage_of(const struct run *run)
{
        const struct ai_reply *r = run_reply(run);
        if (!r->provider)
                return (struct run_usage){ 0 };
        return (struct run_usage){ .provider = r->provider,
                                   .model = r->model,
                                   .asked_for = r->asked_for,
                                   .tokens_in = r->tokens_in,
                                   .tokens_out = r->tokens_out,
                                   .cost_nano = r->cost_nano,
                                   .elapsed_ms = r->elapsed_ms,
                                   .asked = r->asked,
                                   .verdict = r->verdict };
}

/* The clock costs as much as all else of an event. What follows work of its task's own is told with a time of its own; the steps between take microseconds. */
static uint64_t run_now_us(struct run *run, enum run_event_kind kind)
{
        const unsigned after_work = RUN_BIT(RUN_ANSWERED) | RUN_BIT(RUN_WORKED) | RUN_BIT(RUN_COMMITTED);
        if (!run->now_us || RUN_BIT(kind) & after_work)
                run->now_us = clock_mono_us();
        return run->now_us;
}

/* What is measured from then on. */
static void run_note_time(struct run_times *times, enum run_event_kind kind, uint64_t at_us)
{
        if (kind == RUN_RECEIVED)
                times->received_us = at_us;
        else if (kind == RUN_CALLING)
                times->called_us = at_us;
        else if (kind == RUN_WORKED)
                times->worked_us = at_us;
}

/* Since its work began. */
static uint64_t run_took_ms(const struct run *run)
{
        const int64_t began_ms = run_began_ms(run), now_ms = began_ms ? clock_wall_ms() : 0;
        return now_ms > began_ms ? (uint64_t)(now_ms - began_ms) : 0;
}

void run_observed_as(struct run *run, struct run_event *e)
{
        const struct task_message *m = &run->message;
        const struct delivery *d = run_delivery(run);
        e->run = run;
        e->message = m;
        e->def = run->def;
        e->ids = (struct run_ids){ .id = m->id,
                                   .name = m->name,
                                   .parent_id = m->parent_id,
                                   .root_id = m->root_id ? m->root_id : m->id,
                                   .queue = d ? d->queue : NULL,
                                   .pipeline = run_pipeline_name(run) };
        e->attempt = m->retries + 1;
        e->at_us = run_now_us(run, e->kind);
        e->times = &run->times.times;
        if (e->kind == RUN_COMMITTED) {
                e->took_ms = run_took_ms(run);
                e->result = run_result_value(run);
        }
        e->terminated = run_is_terminated(run);
        e->usage = run_usage_of(run);
        e->trace = run->worker->config->tracer ? &run->times.trace : NULL;
        observing_tell(&run->worker->observing, e);
        run_note_time(&run->times.times, e->kind, e->at_us);
}

struct result_exception run_event_exception(const struct run_event *e)
{
        return run_exception_of(e->run, e->run->why);
}

void run_event_traceback(const struct run_event *e, struct buffer *out)
{
        run_add_traceback(e->run, e->run->why, out);
}

/* ---- its trace ---- */

static const char *run_traceparent(struct run *run, enum run_span span)
{
        const struct run_trace *t = &run->times.trace;
        return arena_printf(&run->arena, "00-%s-%016llx-01", t->id, (unsigned long long)t->spans[span]);
}

int run_begin_trace(struct run *run)
{
        struct tracer *tracer = run->worker->config->tracer;
        if (!tracer)
                return 0;
        tracer->begin(tracer, &run->message, &run->times.trace);
        if (!run->times.trace.on)
                return 0;
        const char *own = run_traceparent(run, RUN_SPAN_TASK), *sends = run_traceparent(run, RUN_SPAN_SEND);
        const int code = own && sends ? task_message_retrace(&run->arena, &run->message, own, sends) : -ENOMEM;
        return code < 0 ? code : 0;
}

void run_end_trace(struct run *run)
{
        struct tracer *tracer = run->worker->config->tracer;
        if (tracer && run->times.trace.own)
                tracer->end(tracer, &run->times.trace);
}

struct trace_context run_trace_context(struct run *run, enum run_span span)
{
        struct trace_context trace = task_message_trace(&run->message);
        if (run->times.trace.on)
                trace.parent = run_traceparent(run, span);
        return trace;
}

int64_t run_queued_ms(const struct run *run)
{
        const struct delivery *d = run_delivery(run);
        return !d ? 0 : d->queued_ms ? d->queued_ms : message_sent_ms(d->properties);
}
