/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to runs, as counters and histograms. A task's series are looked up once and remembered, so that an event costs an addition. */
#include "observe/runs.h"

#include "ai/ai.h"
#include "core/clock.h"
#include "core/trace.h"
#include "message/message.h"
#include "tasks/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUN_METER_PLACES = 128, RUN_METER_NAME = 64, RUN_METER_MODELS = 16 };

#define UNKNOWN_TASK "unknown" /* a name that no task here has comes from outside, and is no label */

/* The series of one task in one queue, by the place of their pointers' sum: a task whose place another one takes is looked up anew. */
struct run_series {
        const struct task_def *def;
        const char *queue;
        char name[RUN_METER_NAME]; /* the definition at that address may be another one's by now */
        struct series *received, *started, *succeeded, *retried, *paused, *revoked, *handed_back;
        struct series *queued_s, *wait_s, *call_s, *commit_s, *whole_s;
};

/* The series of one model, each from when it is needed first. A longer name shares its place, and its series, with what is cut alike (METRICS_LABEL_SIZE). */
struct ai_series {
        const char *provider; /* a constant */
        char model[METRICS_LABEL_SIZE];
        struct series *requests[AI_CANCELLED + 1], *seconds, *tokens_in, *tokens_out, *cost;
};

struct run_meter {
        struct observer observer; /* first */
        struct metrics *metrics;
        struct run_series places[RUN_METER_PLACES];
        struct ai_series models[RUN_METER_MODELS];
        unsigned next_model;
};

/* ---- which series ---- */

static const char *run_meter_task(const struct run_event *e)
{
        return e->def ? e->def->name : UNKNOWN_TASK;
}

static const char *run_meter_queue(const struct run_event *e)
{
        return e->ids.queue ? e->ids.queue : "";
}

static void run_series_find(struct metrics *m, const char *task, const char *queue, struct run_series *s)
{
        s->received = METRICS_SERIES(m, METER_TASKS_RECEIVED, task, queue);
        s->started = METRICS_SERIES(m, METER_TASKS_STARTED, task, queue);
        s->succeeded = METRICS_SERIES(m, METER_TASKS_SUCCEEDED, task, queue);
        s->retried = METRICS_SERIES(m, METER_TASKS_RETRIED, task, queue);
        s->paused = METRICS_SERIES(m, METER_TASKS_PAUSED, task, queue);
        s->revoked = METRICS_SERIES(m, METER_TASKS_REVOKED, task, queue);
        s->handed_back = METRICS_SERIES(m, METER_TASKS_HANDED_BACK, task, queue);
        s->queued_s = METRICS_SERIES(m, METER_TASK_QUEUED_SECONDS, task, queue);
        s->wait_s = METRICS_SERIES(m, METER_TASK_WAIT_SECONDS, task, queue);
        s->call_s = METRICS_SERIES(m, METER_TASK_CALL_SECONDS, task, queue);
        s->commit_s = METRICS_SERIES(m, METER_TASK_COMMIT_SECONDS, task, queue);
        s->whole_s = METRICS_SERIES(m, METER_TASK_SECONDS, task, queue);
}

/* Of a run that goes on it is known already that the name is right: it holds its definition. */
static bool run_meter_goes_on(enum run_event_kind kind)
{
        return kind == RUN_CALLING || kind == RUN_COMMITTED || kind == RUN_ACKED;
}

static struct run_series *run_series_of(struct run_meter *m, const struct run_event *e)
{
        const char *task = run_meter_task(e), *queue = run_meter_queue(e);
        const uintptr_t sum = (uintptr_t)e->def / sizeof(void *) + (uintptr_t)queue / sizeof(void *);
        struct run_series *s = &m->places[(sum ^ sum >> 7) % RUN_METER_PLACES];
        if (s->received && s->def == e->def && s->queue == queue &&
            (run_meter_goes_on(e->kind) || strncmp(s->name, task, RUN_METER_NAME - 1) == 0))
                return s;
        run_series_find(m->metrics, task, queue, s);
        s->def = e->def;
        s->queue = queue;
        strncpy(s->name, task, RUN_METER_NAME - 1);
        return s;
}

/* ---- times ---- */

/* The trace that a run belongs to, where it is recorded: here, or, where nothing is, by its producer; or NULL. */
static const char *run_meter_trace(const struct run_event *e)
{
        const char *parent = e->message->traceparent;
        if (e->trace)
                return e->trace->on ? e->trace->id : NULL;
        return parent && trace_is_sampled(parent) ? parent + TRACE_ID_AT : NULL;
}

static void run_meter_time(struct series *s, const struct run_event *e, uint64_t since_us)
{
        if (!since_us || since_us > e->at_us)
                return;
        const char *trace = run_meter_trace(e);
        series_observe(s, (double)(e->at_us - since_us) / 1e6, trace, trace ? clock_wall_ms() : 0);
}

static void run_meter_queued(struct series *s, const struct run_event *e)
{
        const int64_t queued_ms = run_queued_ms(e->run), now_ms = queued_ms ? clock_wall_ms() : 0;
        if (!queued_ms)
                return;
        const int64_t waited_ms = now_ms > queued_ms ? now_ms - queued_ms : 0; /* clocks differ */
        series_observe(s, (double)waited_ms / 1e3, run_meter_trace(e), now_ms);
}

/* ---- counts by more than the task ---- */

static void run_meter_count(struct run_meter *m, enum meter_row row, const struct run_event *e, const char *more)
{
        series_add(METRICS_SERIES(m->metrics, row, run_meter_task(e), run_meter_queue(e), more), 1);
}

static const char *run_meter_code(const struct run_event *e)
{
        return e->why && *e->why->code ? e->why->code : "unknown";
}

/* How a request ended. */
static const char *run_meter_outcome(const struct run_usage *u)
{
        switch ((enum ai_verdict)u->verdict) {
        case AI_OK: return "ok";
        case AI_TRANSIENT: return "failed";
        case AI_WAIT: return "limited";
        case AI_PERMANENT: return "refused";
        case AI_CANCELLED: break;
        }
        return "cancelled";
}

/* Found by its labels once: that takes as long as ten events. */
static struct series *ai_series_of(struct run_meter *m, struct series **kept, enum meter_row row,
                                   const struct run_usage *u, const char *more)
{
        if (!*kept)
                *kept = METRICS_SERIES(m->metrics, row, u->provider, u->model, more);
        return *kept;
}

/* Those of the model that answered; a model that finds no place takes that of another. */
static struct ai_series *run_meter_ai(struct run_meter *m, const struct run_usage *u)
{
        const char *model = u->model ? u->model : "";
        for (size_t i = 0; i < RUN_METER_MODELS; i++) {
                struct ai_series *s = &m->models[i];
                if (s->provider == u->provider && strncmp(s->model, model, sizeof(s->model)) == 0)
                        return s;
        }
        struct ai_series *s = &m->models[m->next_model++ % RUN_METER_MODELS];
        *s = (struct ai_series){ .provider = u->provider };
        snprintf(s->model, sizeof(s->model), "%s", model);
        return s;
}

static void run_meter_usage(struct run_meter *m, const struct run_event *e)
{
        const struct run_usage *u = &e->usage;
        if (!u->asked)
                return;
        struct ai_series *s = run_meter_ai(m, u);
        const char *trace = run_meter_trace(e);
        series_add(ai_series_of(m, &s->requests[u->verdict], METER_AI_REQUESTS, u, run_meter_outcome(u)), 1);
        series_observe(ai_series_of(m, &s->seconds, METER_AI_REQUEST_SECONDS, u, NULL), u->elapsed_ms / 1e3, trace,
                       trace ? clock_wall_ms() : 0);
        if (u->tokens_in)
                series_add(ai_series_of(m, &s->tokens_in, METER_AI_TOKENS, u, "input"), u->tokens_in);
        if (u->tokens_out)
                series_add(ai_series_of(m, &s->tokens_out, METER_AI_TOKENS, u, "output"), u->tokens_out);
        if (u->cost_nano)
                series_add(ai_series_of(m, &s->cost, METER_AI_COST, u, NULL), (double)u->cost_nano / 1e9);
}

/* ---- events ---- */

static void run_meter_failed(struct run_meter *m, const struct run_event *e)
{
        run_meter_count(m, METER_TASKS_FAILED, e, run_meter_code(e));
        if (e->kind == RUN_DEAD)
                run_meter_count(m, METER_TASKS_DEAD, e, run_meter_code(e));
}

static void run_meter_tell(struct observer *o, const struct run_event *e)
{
        struct run_meter *m = (struct run_meter *)o;
        struct run_series *s = run_series_of(m, e);
        switch (e->kind) {
        case RUN_RECEIVED:
                series_add(s->received, 1);
                run_meter_queued(s->queued_s, e);
                break;
        case RUN_CALLING:
                if (!e->first)
                        break;
                series_add(s->started, 1);
                run_meter_time(s->wait_s, e, e->times->received_us);
                break;
        case RUN_ANSWERED:
                run_meter_usage(m, e);
                if (e->usage.asked)
                        run_meter_time(s->call_s, e, e->times->called_us);
                break;
        case RUN_WORKED:
                if (!e->usage.asked)
                        run_meter_time(s->call_s, e, e->times->called_us);
                break;
        case RUN_COMMITTED:
                if (!e->replaced)
                        series_add(s->succeeded, 1);
                if (e->times->worked_us)
                        run_meter_time(s->commit_s, e, e->times->worked_us);
                else if (!e->usage.asked) /* a stateless task's own work */
                        run_meter_time(s->call_s, e, e->times->called_us);
                break;
        case RUN_RETRYING:
                series_add(s->retried, 1);
                if (!e->committed)
                        run_meter_failed(m, e);
                break;
        case RUN_DEAD:
                if (!e->again)
                        run_meter_failed(m, e);
                break;
        case RUN_PAUSED: series_add(s->paused, 1); break;
        case RUN_SCHEDULED: run_meter_count(m, METER_TASKS_SCHEDULED, e, e->reason); break;
        case RUN_REVOKED: series_add(s->revoked, 1); break;
        case RUN_HANDED_BACK: series_add(s->handed_back, 1); break;
        case RUN_ACKED: run_meter_time(s->whole_s, e, e->times->received_us); break;
        default: break;
        }
}

/* ---- opening and closing ---- */

int run_meter_open(struct run_meter **out, struct meter *meter)
{
        struct run_meter *m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->metrics = meter_metrics(meter);
        m->observer = (struct observer){
                .kinds = RUN_BIT(RUN_RECEIVED) | RUN_BIT(RUN_CALLING) | RUN_BIT(RUN_ANSWERED) | RUN_BIT(RUN_WORKED) |
                         RUN_BIT(RUN_COMMITTED) | RUN_BIT(RUN_RETRYING) | RUN_BIT(RUN_DEAD) | RUN_BIT(RUN_PAUSED) |
                         RUN_BIT(RUN_SCHEDULED) | RUN_BIT(RUN_REVOKED) | RUN_BIT(RUN_HANDED_BACK) | RUN_BIT(RUN_ACKED),
                .tell = run_meter_tell,
        };
        *out = m;
        return 0;
}

struct observer *run_meter_observer(struct run_meter *m)
{
        return &m->observer;
}

void run_meter_expect(struct run_meter *m, const char *task, const char *queue)
{
        struct run_series ignored;
        run_series_find(m->metrics, task, queue, &ignored);
}

void run_meter_close(struct run_meter *m)
{
        free(m);
}
