/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/otlp/spans.h"

#include "core/clock.h"
#include "core/id.h"
#include "message/message.h"
#include "tasks/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { SPANS_MOST_NOTES = 8, SPANS_TEXT = 128 };

struct spans {
        struct observer observer; /* first */
        struct tracer tracer;
        struct span_source source;
};

/* Something that happened to a task meanwhile. */
struct span_note {
        const char *name, *reason; /* constants */
        uint64_t at_us, wait_ms;
};

/* What is kept of a run until its end: of one that is recorded, and of one that failed. */
struct span_record {
        int64_t ahead_us;  /* all its spans are told with: span_ahead_us */
        uint64_t begun_us; /* of the monotonic clock; a message that came too early is not received */
        bool failed, sent;
        char code[SPANS_TEXT]; /* of its failure */
        struct span_note notes[SPANS_MOST_NOTES];
        unsigned note_count, sending_count;
        uint64_t sending_us;
        char destination[SPANS_TEXT]; /* of the first message that is sent */
        int64_t queued_ms;            /* how long its message was in its queue; < 0: not known */
};

/* ---- what a run's trace is ---- */

static uint64_t spans_new_id(void)
{
        const uint64_t id = random_bits();
        return id ? id : 1;
}

/* The ids of the trace that its message came with, or else the job's. */
static void spans_name(const struct task_message *m, struct run_trace *t)
{
        const bool parented = m->traceparent && trace_is_parent(m->traceparent);
        if (parented) {
                snprintf(t->id, sizeof(t->id), "%.*s", TRACE_ID_SIZE, m->traceparent + TRACE_ID_AT);
                snprintf(t->parent, sizeof(t->parent), "%.*s", TRACE_SPAN_SIZE, m->traceparent + TRACE_SPAN_AT);
        } else {
                sampling_trace_of(m->root_id, t->id);
        }
        for (int i = 0; i < RUN_SPANS; i++)
                t->spans[i] = spans_new_id();
}

static bool spans_wants(const struct spans *s, const struct task_message *m)
{
        char id[TRACE_ID_SIZE + 1];
        if (m->traceparent && trace_is_sampled(m->traceparent))
                return true;
        if (m->traceparent && trace_is_parent(m->traceparent))
                return false;
        sampling_trace_of(m->root_id, id);
        return sampling_keeps(s->source.sampling, id);
}

static struct span_record *spans_record(struct run_trace *t)
{
        struct span_record *r = t->own ? t->own : calloc(1, sizeof(*r));
        if (r && !t->own) {
                r->ahead_us = span_ahead_us();
                r->begun_us = clock_mono_us();
        }
        t->own = r;
        return r;
}

static void spans_begin(struct tracer *tracer, const struct task_message *m, struct run_trace *t)
{
        const struct spans *s = (const struct spans *)((char *)tracer - offsetof(struct spans, tracer));
        if (!spans_wants(s, m) || !spans_record(t))
                return;
        spans_name(m, t);
        t->on = true;
}

static void spans_end(struct tracer *tracer, struct run_trace *t)
{
        (void)tracer;
        free(t->own);
        t->own = NULL;
}

/* ---- spans ---- */

static int64_t spans_wall_us(const struct run_event *e, uint64_t mono_us)
{
        const struct span_record *r = e->trace->own;
        return (int64_t)mono_us + (r ? r->ahead_us : span_ahead_us());
}

/* From `since_us` until what is told. */
static void spans_emit(struct spans *s, const struct run_event *e, struct otlp_span span, enum run_span which,
                       uint64_t since_us)
{
        char parent[TRACE_SPAN_SIZE + 1];
        snprintf(parent, sizeof(parent), "%016llx", (unsigned long long)e->trace->spans[RUN_SPAN_TASK]);
        span.trace = e->trace->id;
        span.id = e->trace->spans[which];
        span.parent = which == RUN_SPAN_TASK ? e->trace->parent : parent;
        span.end_us = spans_wall_us(e, e->at_us);
        span.begin_us = span.end_us - (since_us && since_us < e->at_us ? (int64_t)(e->at_us - since_us) : 0);
        otlp_add(s->source.otlp, &span);
}

static const char *spans_queue(const struct run_event *e)
{
        return e->ids.queue ? e->ids.queue : "";
}

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static void spans_emit_task(struct spans *s, const struct run_event *e, const struct span_record *r)
{
        char name[SPANS_TEXT];
        struct otlp_event events[SPANS_MOST_NOTES];
        struct otlp_attribute waits[SPANS_MOST_NOTES][2];
        const unsigned notes = r ? r->note_count : 0;
        for (unsigned i = 0; i < notes; i++) {
                const struct span_note *n = &r->notes[i];
                waits[i][0] = (struct otlp_attribute){ .name = NAME_WAIT_MS, .number = (int64_t)n->wait_ms };
                waits[i][1] = (struct otlp_attribute){ .name = NAME_REASON, .text = n->reason };
                events[i] = (struct otlp_event){ n->name, spans_wall_us(e, n->at_us), waits[i], n->reason ? 2 : 1 };
        }
        const bool failed = r && r->failed;
        const struct otlp_attribute attributes[] = {
                { .name = NAME_SYSTEM, .text = s->source.system },
                { .name = NAME_OPERATION, .text = "process" },
                { .name = NAME_OPERATION_TYPE, .text = "process" },
                { .name = NAME_DESTINATION, .text = spans_queue(e) },
                { .name = NAME_MESSAGE_ID, .text = e->ids.id ? e->ids.id : "" },
                { .name = NAME_CONVERSATION, .text = e->ids.root_id ? e->ids.root_id : "" },
                { .name = NAME_TASK, .text = e->def ? e->def->name : "unknown" },
                { .name = NAME_PIPELINE, .text = e->ids.pipeline },
                { .name = NAME_ATTEMPT, .number = e->attempt },
                { .name = NAME_QUEUED_MS, .number = r && r->queued_ms > 0 ? r->queued_ms : 0 },
                { .name = NAME_ERROR_TYPE, .text = failed ? r->code : "" }, /* the last: there only with an error */
        };
        snprintf(name, sizeof(name), "process %s", spans_queue(e));
        spans_emit(s, e,
                   (struct otlp_span){ .name = name,
                                       .kind = OTLP_CONSUMER,
                                       .failed = failed,
                                       .attributes = attributes,
                                       .attribute_count = COUNT(attributes) - !failed,
                                       .events = events,
                                       .event_count = notes },
                   RUN_SPAN_TASK, e->times->received_us || !r ? e->times->received_us : r->begun_us);
}

static void spans_emit_call(struct spans *s, const struct run_event *e)
{
        char name[SPANS_TEXT];
        const struct run_usage *u = &e->usage;
        const char *asked_for = u->asked_for ? u->asked_for : u->model ? u->model : "";
        const struct otlp_attribute attributes[] = {
                { .name = NAME_AI_OPERATION, .text = "chat" },
                { .name = NAME_AI_PROVIDER, .text = u->provider ? u->provider : "" },
                { .name = NAME_AI_MODEL, .text = asked_for },
                { .name = NAME_AI_MODEL_ANSWERED, .text = u->model ? u->model : "" },
                { .name = NAME_AI_TOKENS_IN, .number = u->tokens_in },
                { .name = NAME_AI_TOKENS_OUT, .number = u->tokens_out },
                { .name = NAME_COST, .real = (double)u->cost_nano / 1e9 },
                { .name = NAME_ERROR_TYPE, .text = e->why ? e->why->code : "" },
        };
        snprintf(name, sizeof(name), "chat %s", asked_for);
        spans_emit(s, e,
                   (struct otlp_span){ .name = name,
                                       .kind = OTLP_CLIENT,
                                       .failed = e->why,
                                       .attributes = attributes,
                                       .attribute_count = COUNT(attributes) - !e->why },
                   RUN_SPAN_CALL, e->times->called_us);
}

static void spans_emit_commit(struct spans *s, const struct run_event *e)
{
        spans_emit(s, e, (struct otlp_span){ .name = "commit", .kind = OTLP_INTERNAL }, RUN_SPAN_COMMIT,
                   e->times->worked_us);
}

/* What is behind the messages that go on from it: one that is published, or one that waits in the store. */
static void spans_emit_send(struct spans *s, const struct run_event *e, struct span_record *r, const char *operation,
                            const char *destination, const struct otlp_event *event)
{
        char name[2 * SPANS_TEXT];
        const struct otlp_attribute attributes[] = {
                { .name = NAME_SYSTEM, .text = s->source.system },
                { .name = NAME_OPERATION, .text = operation },
                { .name = NAME_OPERATION_TYPE, .text = event ? "create" : "send" },
                { .name = NAME_DESTINATION, .text = destination },
                { .name = NAME_BATCH_COUNT, .number = event ? 1 : r->sending_count },
        };
        if (r->sent)
                return; /* it has a span of that id already */
        r->sent = true;
        snprintf(name, sizeof(name), "%s %s", operation, destination);
        spans_emit(s, e,
                   (struct otlp_span){ .name = name,
                                       .kind = OTLP_PRODUCER,
                                       .attributes = attributes,
                                       .attribute_count = COUNT(attributes),
                                       .events = event,
                                       .event_count = event ? 1 : 0 },
                   RUN_SPAN_SEND, r->sending_us);
}

/* ---- what happens ---- */

static const char *spans_reason(const struct run_event *e)
{
        switch (e->kind) {
        case RUN_PAUSED: return e->held ? "held" : "paused";
        case RUN_RETRYING: return "retry";
        case RUN_SCHEDULED: return e->reason;
        default: return NULL;
        }
}

static void spans_note(struct span_record *r, const struct run_event *e)
{
        if (r->note_count < SPANS_MOST_NOTES)
                r->notes[r->note_count++] =
                        (struct span_note){ run_event_name(e->kind), spans_reason(e), e->at_us, e->wait_ms };
}

/* Its message waits in the store, as the span behind that one says, too. */
static void spans_put_away(struct spans *s, const struct run_event *e, struct span_record *r)
{
        const struct otlp_attribute wait[] = { { .name = NAME_WAIT_MS, .number = (int64_t)e->wait_ms },
                                               { .name = NAME_REASON, .text = spans_reason(e) } };
        const struct otlp_event event = { "waiting", spans_wall_us(e, e->at_us), wait, COUNT(wait) };
        r->sending_us = 0;
        spans_emit_send(s, e, r, "schedule", spans_queue(e), &event);
}

static void spans_destination(char out[SPANS_TEXT], const struct message *m)
{
        if (*m->exchange && strcmp(m->exchange, m->routing_key) != 0)
                snprintf(out, SPANS_TEXT, "%s:%s", m->exchange, m->routing_key);
        else
                snprintf(out, SPANS_TEXT, "%s", m->routing_key);
}

static void spans_sending(struct span_record *r, const struct run_event *e)
{
        if (r->sending_count++ > 0)
                return;
        r->sending_us = e->at_us;
        spans_destination(r->destination, e->sent);
}

/* Its dead letter is next, and whoever files that goes on from there. */
static void spans_dying(struct span_record *r, const struct run_event *e)
{
        spans_note(r, e);
        r->sending_us = e->at_us;
        r->sending_count = 1;
        snprintf(r->destination, sizeof(r->destination), "chard.dead:%s", spans_queue(e));
}

static void spans_received(struct span_record *r, const struct run_event *e)
{
        const int64_t queued_ms = run_queued_ms(e->run);
        r->queued_ms = queued_ms ? clock_wall_ms() - queued_ms : -1;
}

/* Of one that is recorded. */
static void spans_tell_recorded(struct spans *s, const struct run_event *e, struct span_record *r)
{
        switch (e->kind) {
        case RUN_RECEIVED: spans_received(r, e); break;
        case RUN_CALLING:
                if (!e->first)
                        e->trace->spans[RUN_SPAN_CALL] = spans_new_id(); /* it is another call */
                break;
        case RUN_ANSWERED:
                if (e->usage.asked || e->usage.verdict == AI_OK)
                        spans_emit_call(s, e);
                break;
        case RUN_COMMITTED:
                if (e->times->worked_us)
                        spans_emit_commit(s, e);
                break;
        case RUN_SENDING: spans_sending(r, e); break;
        case RUN_PUBLISHED: spans_emit_send(s, e, r, "send", r->destination, NULL); break;
        case RUN_PAUSED:
        case RUN_RETRYING:
        case RUN_SCHEDULED:
                spans_note(r, e);
                if (!e->held)
                        spans_put_away(s, e, r);
                break;
        case RUN_HANDED_BACK:
                spans_note(r, e);
                r->sending_us = 0;
                spans_emit_send(s, e, r, "send", spans_queue(e), NULL);
                break;
        case RUN_DEAD: spans_dying(r, e); break;
        case RUN_BURIED: spans_emit_send(s, e, r, "send", r->destination, NULL); break;
        case RUN_REVOKED: spans_note(r, e); break;
        default: break;
        }
}

static bool spans_is_failure(const struct run_event *e)
{
        return (e->kind == RUN_RETRYING && !e->committed) || (e->kind == RUN_DEAD && !e->again);
}

static void spans_failed(struct run_trace *t, const struct run_event *e)
{
        struct span_record *r = spans_record(t);
        if (!r)
                return;
        r->failed = true;
        snprintf(r->code, sizeof(r->code), "%.*s", SPANS_TEXT - 1, e->why && *e->why->code ? e->why->code : "_OTHER");
}

static bool spans_is_slow(const struct spans *s, const struct run_event *e)
{
        const uint64_t since_us = e->times->received_us;
        return s->source.slow_ms && since_us && e->at_us - since_us >= s->source.slow_ms * 1000;
}

/* It is over: a span that is recorded goes out, and of others those of errors and slow ones. */
static void spans_over(struct spans *s, const struct run_event *e)
{
        struct run_trace *t = e->trace;
        const struct span_record *r = t->own;
        if (!t->on && !(r && r->failed) && !spans_is_slow(s, e))
                return;
        if (!t->on)
                spans_name(e->message, t);
        spans_emit_task(s, e, r);
}

static void spans_tell(struct observer *o, const struct run_event *e)
{
        struct spans *s = (struct spans *)o;
        struct run_trace *t = e->trace;
        if (!t)
                return;
        if (spans_is_failure(e))
                spans_failed(t, e);
        if (t->on)
                spans_tell_recorded(s, e, t->own);
        if (e->kind == RUN_ACKED || e->kind == RUN_HANDED_BACK)
                spans_over(s, e);
}

/* ---- a scheduled message, on its way at last ---- */

struct span_release {
        struct live_span span;
        int64_t late_ms;
        char destination[SPANS_TEXT];
};

/* Only of a trace that is known and recorded. */
static void *spans_release(struct tracer *tracer, const struct message *m, int64_t due_ms)
{
        const struct spans *s = (const struct spans *)((char *)tracer - offsetof(struct spans, tracer));
        char traceparent[TRACE_PARENT_SIZE + 1];
        message_traceparent(m->properties, traceparent);
        struct span_release *r = trace_is_sampled(traceparent) ? malloc(sizeof(*r)) : NULL;
        if (!r)
                return NULL;
        const int64_t late_ms = due_ms ? clock_wall_ms() - due_ms : 0;
        live_span_begin(&r->span, &s->source, traceparent);
        r->late_ms = late_ms > 0 ? late_ms : 0;
        spans_destination(r->destination, m);
        return r;
}

static void spans_released(struct tracer *tracer, void *kept, bool confirmed)
{
        const struct spans *s = (const struct spans *)((char *)tracer - offsetof(struct spans, tracer));
        struct span_release *r = kept;
        char name[2 * SPANS_TEXT];
        const struct otlp_attribute attributes[] = {
                { .name = NAME_SYSTEM, .text = s->source.system },
                { .name = NAME_OPERATION, .text = "publish" },
                { .name = NAME_OPERATION_TYPE, .text = "send" },
                { .name = NAME_DESTINATION, .text = r->destination },
                { .name = NAME_LATE_MS, .number = r->late_ms },
                { .name = NAME_ERROR_TYPE, .text = "returned" }, /* the last: there only with an error */
        };
        snprintf(name, sizeof(name), "publish %s", r->destination);
        live_span_end(&r->span, (struct otlp_span){ .name = name,
                                                    .kind = OTLP_PRODUCER,
                                                    .failed = !confirmed,
                                                    .attributes = attributes,
                                                    .attribute_count = COUNT(attributes) - confirmed });
        free(r);
}

/* ---- opening and closing ---- */

int spans_open(struct spans **out, const struct span_source *source)
{
        struct spans *s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->source = *source;
        s->observer = (struct observer){
                /* Any that fails, or was slow, may still be told. */
                .kinds = RUN_BIT(RUN_RECEIVED) | RUN_BIT(RUN_RETRYING) | RUN_BIT(RUN_DEAD) | RUN_BIT(RUN_HANDED_BACK) |
                         RUN_BIT(RUN_ACKED),
                .kinds_of_recorded = RUN_BIT(RUN_CALLING) | RUN_BIT(RUN_ANSWERED) | RUN_BIT(RUN_WORKED) |
                                     RUN_BIT(RUN_COMMITTED) | RUN_BIT(RUN_SENDING) | RUN_BIT(RUN_PUBLISHED) |
                                     RUN_BIT(RUN_PAUSED) | RUN_BIT(RUN_SCHEDULED) | RUN_BIT(RUN_BURIED) |
                                     RUN_BIT(RUN_REVOKED),
                .tell = spans_tell,
        };
        s->tracer = (struct tracer){ spans_begin, spans_end, spans_release, spans_released };
        *out = s;
        return 0;
}

struct observer *spans_observer(struct spans *s)
{
        return &s->observer;
}

struct tracer *spans_tracer(struct spans *s)
{
        return &s->tracer;
}

void spans_close(struct spans *s)
{
        free(s);
}
