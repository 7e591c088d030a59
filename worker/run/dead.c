/* SPDX-License-Identifier: Apache-2.0 */
/* The steps "dead" and "bury": the store learns that a task failed for good; then its dead letter goes out (I5). */
#include "worker/run/run.h"

#include "core/log.h"

enum step run_died(struct run *run)
{
        run_observed(run, RUN_DEAD, .why = run->why);
        return STEP_BURY;
}

static void run_dead_on_failed(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct run *run = (struct run *)arg;
        (void)stored;
        if (result == STORE_REFUSED)
                log_error("worker", "task=%s could not be marked as failed: %s", run_shown_id(run), why->text);
        run_go(run, result == STORE_CLOSED    ? STEP_END
                    : result == STORE_STARVED ? run_out_of_memory(run)
                                              : run_died(run));
}

/* Whoever has taken the task over meanwhile decides what becomes of it. */
enum step run_dead(struct run *run)
{
        if (run_reclaims(run))
                return STEP_CLAIM;
        log_warn("worker", "task=%s name=%s dead source=%s code=%s: %s", run_shown_id(run),
                 run->def ? run->def->name : "?", run->why->source, run->why->code, problem_told(run->why));
        if (!run_keeps_state(run) || !run->message.id)
                return run_died(run);
        run_fail(run, NULL, run_dead_on_failed);
        return STEP_WAIT;
}

static void on_buried(enum publish_result result, void *arg);

enum step run_bury(struct run *run)
{
        char id[ID_TEXT_SIZE];
        const struct dead_record record = run_describe_death(run, id);
        run_set_result_state(run, RESULT_FAILURE);
        struct message *letter = message_dead(run_queue(run), run->message.properties, run->message.raw_body, &record);
        if (!letter)
                return run_out_of_memory(run);
        broker_publish(run->worker->broker, letter, on_buried, run);
        return STEP_WAIT;
}

static void on_buried(enum publish_result result, void *arg)
{
        enum { AGAIN_MS = 5000 };
        struct run *run = (struct run *)arg;
        if (result == PUBLISH_CONFIRMED) {
                run_observed(run, RUN_BURIED);
                run_go(run, run_result_or_ack(run));
        } else if (result == PUBLISH_CLOSED || run->worker->phase >= WORKER_HANDING_BACK) {
                run_go(run, STEP_END); /* unacked: the broker gives it to another */
        } else {
                log_error("worker", "task=%s its dead letter finds no queue %s.dead; run: chard topology apply",
                          run_shown_id(run), run_queue(run));
                run_hold(run, AGAIN_MS, STEP_BURY);
        }
}
