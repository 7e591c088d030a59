/* SPDX-License-Identifier: Apache-2.0 */
/* The step of a revoked task: the store learns that it will never run, and the delivery goes. */
#include "worker/run/run.h"

#include "core/log.h"

static enum step run_revoke_revoked(struct run *run)
{
        run_observed(run, RUN_REVOKED, .why = run->why);
        return run_result_or_ack(run);
}

static void on_revoked(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct run *run = (struct run *)arg;
        (void)stored;
        if (result == STORE_REFUSED)
                log_error("worker", "task=%s could not be marked as revoked: %s", run->message.id, why->text);
        if (result == STORE_STARVED) {
                run_go(run, run_out_of_memory(run));
                return;
        }
        run_lease_end(run);
        run_go(run, result == STORE_CLOSED ? STEP_END : run_revoke_revoked(run));
}

enum step run_revoke(struct run *run)
{
        const struct task_message *m = &run->message;
        struct worker *w = run->worker;
        log_info("worker", "task=%s name=%s is revoked", m->id, m->name);
        problem_set(run->why, "task", "revoked", run_is_terminated(run) ? "terminated" : "revoked");
        run_set_result_state(run, RESULT_REVOKED);
        if (!run_keeps_state(run))
                return run_revoke_revoked(run);
        run->revocation.row = (struct revocation){ .id = m->id,
                                                   .root_id = m->root_id,
                                                   .parent_id = m->parent_id,
                                                   .name = m->name,
                                                   .pipeline = run_pipeline_name(run),
                                                   .ours = true };
        w->store->run->revoke(w->store, &run->revocation.row, on_revoked, run);
        return STEP_WAIT;
}
