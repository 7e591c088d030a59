/* SPDX-License-Identifier: Apache-2.0 */
/* What observers are told of a run. */
#include "worker/run/run.h"

#include "core/clock.h"

static struct run_usage run_usage_of(const struct run *run)
{
        const struct ai_reply *r = &run->reply;
        if (!r->provider)
                return (struct run_usage){ 0 };
        return (struct run_usage){ .provider = r->provider,
                                   .model = r->model,
                                   .tokens_in = r->tokens_in,
                                   .tokens_out = r->tokens_out,
                                   .cost_nano = r->cost_nano,
                                   .elapsed_ms = r->elapsed_ms };
}

void run_observed_as(const struct run *run, struct run_event e)
{
        const struct task_message *m = &run->message;
        e.run = run;
        e.message = m;
        e.def = run->def;
        e.ids = (struct run_ids){ .id = m->id,
                                  .name = m->name,
                                  .parent_id = m->parent_id,
                                  .root_id = m->root_id ? m->root_id : m->id,
                                  .queue = run->delivery ? run->delivery->queue : NULL,
                                  .pipeline = run->pipeline ? run->pipeline->name : "" };
        e.attempt = m->retries + 1;
        e.wall_ms = clock_wall_ms();
        if (run->began_ms && e.wall_ms > run->began_ms)
                e.took_ms = (uint64_t)(e.wall_ms - run->began_ms);
        e.usage = run_usage_of(run);
        observing_tell(&run->worker->observing, &e);
}

/* Put away in the store until then: as what it was meant. */
void run_observed_scheduled(const struct run *run)
{
        const int64_t left_ms = run->again.due_ms - clock_wall_ms();
        const bool retrying = run->again_kind == RUN_RETRYING;
        run_observed(run, (struct run_event){ .kind = run->again_kind,
                                              .wait_ms = left_ms > 0 ? (uint64_t)left_ms : 0,
                                              .reason = run->again_kind == RUN_SCHEDULED ? run->again.reason : NULL,
                                              .why = retrying ? &run->why : NULL,
                                              .committed = retrying && run->published != PUBLISH_CONFIRMED });
}
