/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/worker.h"

#include "core/clock.h"
#include "worker/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct worker_meter {
        struct collector collector; /* first */
        struct worker *worker;
};

static void worker_queue_set(const struct worker_queue *q, void *arg)
{
        struct metrics *m = (struct metrics *)arg;
        series_set(METRICS_SERIES(m, METER_TASKS_IN_FLIGHT, q->name), (double)q->in_hand);
        series_set(METRICS_SERIES(m, METER_TASK_SLOTS, q->name), q->slots);
}

/* 1 for the state that it is in, 0 for the others. */
static void worker_state_set(struct metrics *m, enum meter_row row, const char *model, const char *const states[3],
                             const char *now)
{
        for (size_t i = 0; i < 3; i++)
                series_set(METRICS_SERIES(m, row, model, states[i]), strcmp(states[i], now) == 0);
}

static void worker_model_set(const struct ai_model_state *s, void *arg)
{
        static const char *const limiter[] = { "free", "paused", "ramping" }, *const breaker[] = { "closed", "open",
                                                                                                   "half_open" };
        struct metrics *m = (struct metrics *)arg;
        series_set(METRICS_SERIES(m, METER_AI_MODEL_PAUSED_SECONDS, s->name), (double)s->paused_ms / 1e3);
        worker_state_set(m, METER_AI_LIMITER_STATE, s->name, limiter, s->limiter);
        worker_state_set(m, METER_AI_BREAKER_STATE, s->name, breaker, s->breaker);
}

static void worker_hear_trouble(const char *what, const struct problem *why, bool fault, void *arg)
{
        (void)why, (void)fault;
        if (strcmp(what, "endpoint") == 0)
                *(bool *)arg = false;
}

static void worker_collect(struct collector *c, struct metrics *m)
{
        const struct worker_meter *w = (const struct worker_meter *)c;
        const struct ai *ai = worker_ai(w->worker);
        bool endpoint_up = true;
        worker_tell_queues(w->worker, worker_queue_set, m);
        series_set(METRICS_SERIES(m, METER_AI_IN_FLIGHT, NULL), (double)ai_in_flight(ai));
        ai_tell_trouble(ai, worker_hear_trouble, &endpoint_up);
        series_set(METRICS_SERIES(m, METER_AI_ENDPOINT_UP, NULL), endpoint_up);
        ai_tell_models(ai, clock_mono_ms(), worker_model_set, m);
}

int worker_meter_open(struct worker_meter **out, struct meter *meter, struct worker *worker)
{
        struct worker_meter *w = malloc(sizeof(*w));
        if (!w)
                return -ENOMEM;
        *w = (struct worker_meter){ .collector.collect = worker_collect, .worker = worker };
        metrics_collect_by(meter_metrics(meter), &w->collector);
        *out = w;
        return 0;
}

void worker_meter_close(struct worker_meter *m)
{
        free(m);
}
