/* SPDX-License-Identifier: Apache-2.0 */
/* The message that waits in the store in a task's place, until it is published once more: a retry, a pause, an ETA, somebody else's lease. */
#include "worker/run/run.h"

#include "core/clock.h"

bool run_is_put_away(const struct run *run)
{
        return run->again.message != NULL;
}

/* False when memory ran out. */
static bool again_make(struct run *run, int64_t due_ms, const char *reason, enum run_event_kind as)
{
        const unsigned retries = run->message.retries + (as == RUN_RETRYING ? 1 : 0);
        struct again_part *again = &run->again;
        message_free(again->message);
        again->as = as;
        again->message = as == RUN_RETRYING && run->def->ask
                                 ? task_message_retry(&run->message, "", run_queue(run), run_failures(run))
                                 : task_message_again(&run->message, "", run_queue(run), retries);
        again->row = (struct scheduled){
                .message = again->message,
                .due_ms = due_ms,
                .reason = reason,
                .task_id = run->message.id,
                .root_id = as == RUN_SCHEDULED ? run->message.root_id : NULL, /* it may not have been claimed yet */
        };
        return again->message != NULL;
}

static void again_observed(struct run *run)
{
        const struct again_part *again = &run->again;
        const int64_t left_ms = again->row.due_ms - clock_wall_ms();
        const bool retrying = again->as == RUN_RETRYING;
        run_observed(run, again->as, .wait_ms = left_ms > 0 ? (uint64_t)left_ms : 0,
                     .reason = again->as == RUN_SCHEDULED ? again->row.reason : NULL, .why = retrying ? run->why : NULL,
                     .committed = retrying && run_is_unsent(run));
}

/* Safe in the store: wake the releaser in time, and let the delivery go. */
static enum step after_scheduled(struct run *run, enum store_result result, const struct problem *why)
{
        if (result == STORE_CLOSED)
                return STEP_END;
        if (result == STORE_STARVED)
                return run_out_of_memory(run);
        if (result == STORE_REFUSED) {
                *run->why = *why;
                return run_died(run);
        }
        releaser_expect(run->worker->releaser, run->again.row.due_ms);
        again_observed(run);
        return run_result_or_ack(run);
}

static void on_scheduled(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct run *run = (struct run *)arg;
        (void)stored;
        run_go(run, after_scheduled(run, result, why));
}

enum step run_put_away(struct run *run, int64_t due_ms, const char *reason, enum run_event_kind as)
{
        struct store *store = run->worker->store;
        const struct scheduled *row = &run->again.row;
        const bool kept = run_keeps_state(run);
        if (!again_make(run, due_ms, reason, as))
                return run_out_of_memory(run);
        if (kept && as == RUN_PAUSED)
                run_give_back(run, row, on_scheduled);
        else if (kept && as == RUN_RETRYING && !run_is_unsent(run))
                run_fail(run, row, on_scheduled);
        else
                store->schedule->add(store, row, on_scheduled, run);
        return STEP_WAIT;
}
