/* SPDX-License-Identifier: Apache-2.0 */
/* The step table: one task's life, from its delivery to its ack. Each step does one thing and returns the next;
 * one that has to wait returns STEP_WAIT, and the function that hears the answer (on_…) names the step that follows.
 *
 *     decode -> claim -> call -> judge -> commit -> publish -> ack
 *                          \-> pause -> ack   \-> retry -> ack      (any) -> dead -> bury -> ack
 *
 * A step decides; what it decides on belongs to the files beside this one (worker/run/parts.h).
 * A task that was revoked goes from claim or call to revoke and its ack (worker/run/revoke.c).
 * Where somebody waits for a result or counts the parts of a chord, result and join come before that ack (worker/results/store_result.c, join.c); where they
 * can't be done now, because the result backend is away, the store keeps what is left of them (owe, worker/results/owe_result.c).
 */
#include "worker/run/run.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "worker/control.h"
#include "worker/run/fault.h"

#include <string.h>

static enum step step_decode(struct run *run);
static enum step step_claim(struct run *run);
static enum step step_call(struct run *run);
static enum step pause_model(struct run *run);
static enum step step_judge(struct run *run);
static enum step step_commit(struct run *run);
static enum step step_retry(struct run *run);

static const struct {
        const char *name;
        enum step (*enter)(struct run *run);
} table[] = {
        [STEP_DECODE] = { "decode", step_decode },
        [STEP_CLAIM] = { "claim", step_claim },
        [STEP_CALL] = { "call", step_call },
        [STEP_PAUSE] = { "pause", pause_model },
        [STEP_JUDGE] = { "judge", step_judge },
        [STEP_COMMIT] = { "commit", step_commit },
        [STEP_PUBLISH] = { "publish", run_publish },
        [STEP_RETRY] = { "retry", step_retry },
        [STEP_DEAD] = { "dead", run_dead },
        [STEP_BURY] = { "bury", run_bury },
        [STEP_RESULT] = { "result", run_store_result },
        [STEP_JOIN] = { "join", run_join },
        [STEP_OWE] = { "owe", run_owe },
        [STEP_REVOKE] = { "revoke", run_revoke },
        [STEP_HAND_BACK] = { "hand_back", run_hand_back },
        [STEP_ACK] = { "ack", run_ack },
        [STEP_END] = { "end", NULL },
};

const char *run_shown_id(const struct run *run)
{
        return run->message.id ? run->message.id : "?";
}

void run_go(struct run *run, enum step step)
{
        run->now_us = 0;
        while (step != STEP_WAIT) {
                log_debug("worker", "task=%s %s -> %s", run_shown_id(run), table[run->step].name, table[step].name);
                fault_point(table[run->step].name, table[step].name);
                run->step = step;
                if (step == STEP_END) {
                        run_end(run);
                        return;
                }
                step = table[step].enter(run);
        }
}

/* ---- helpers of several steps ---- */

enum step run_out_of_memory(struct run *run)
{
        problem_set(run->why, "worker", "out_of_memory", "memory ran out while working on this task");
        log_error("worker", "task=%s out of memory, handed back", run_shown_id(run));
        return STEP_HAND_BACK;
}

/* A refusal (> 0) is the task's end; a fatal code (< 0) is ours, and the task goes back. */
enum step run_refused(struct run *run, int code)
{
        return code > 0 ? STEP_DEAD : run_out_of_memory(run);
}

/* Back to its queue, from where it may come here again: so not at once. A broker may drop what is put back too often, and so the second time it goes
 * as a new message, as one that was paused does. */
static enum step not_here(struct run *run)
{
        enum { ELSEWHERE_MS = 100 };
        log_debug("worker", "task=%s name=%s is to run elsewhere", run->message.id, run->message.name);
        if (run_delivery(run)->redelivered)
                return run_put_away(run, clock_wall_ms() + ELSEWHERE_MS, "elsewhere", RUN_PAUSED);
        run_hold(run, ELSEWHERE_MS, STEP_HAND_BACK);
        return STEP_WAIT;
}

/* What a task's own function said. A negative code is a bug of it, or memory that ran out: a failed attempt, so that it comes to an end. What jansson
 * had no memory for is missing in what it has built, and whatever it says then is no verdict. */
static enum step stopped_by_task(struct run *run, int code, unsigned long lost)
{
        if (json_memory_lost() != lost)
                return run_out_of_memory(run);
        if (code == TASK_ELSEWHERE && !run_is_answered(run))
                return not_here(run);
        if (code > 0 && code != TASK_AGAIN &&
            code != TASK_ELSEWHERE) /* what was paid for is not bought again for nothing */
                return STEP_DEAD;
        if (code < 0)
                problem_set(run->why, "task", "broken", "%s said \"%s\": memory ran out, or it has a bug",
                            run->def->name, strerror(-code));
        return STEP_RETRY;
}

/* Its outcome stands: in the store, or, for a stateless task, as it was worked out. */
static enum step step_committed(struct run *run)
{
        run_observed_committed(run);
        return STEP_PUBLISH;
}

/* Its outcome is there. What it wants sent must be such as can be: better now than after its result was stored. */
static enum step worked_out(struct run *run)
{
        const struct follow_how how = run_how(run);
        const int code = task_message_check_sends(&run->message, run_sends(run), &how, run->why);
        if (code)
                return run_refused(run, code);
        if (!run_keeps_state(run))
                return step_committed(run);
        run_observed(run, RUN_WORKED);
        return STEP_COMMIT;
}

/* ---- decode: bytes to a task ---- */

/* It can't be worked on; memory that ran out says nothing of it. */
static enum step step_unfit(struct run *run, int code)
{
        if (code > 0)
                run_observed(run, RUN_RECEIVED);
        return run_refused(run, code);
}

static enum step step_decode(struct run *run)
{
        struct task_message *m = &run->message;
        const unsigned long lost = json_memory_lost();
        int code = json_whole_since(lost, run_decode(run, run->why));
        if (code)
                return step_unfit(run, code);
        if (!run->def)
                return step_unfit(
                        run, problem_set(run->why, "task", "unknown_task",
                                         "no task is named \"%.100s\"; a worker that knows it must consume this queue",
                                         m->name));
        const enum registered place = run_keeps_state(run) ? intake_register(run) : REGISTERED_FIRST;
        if (place != REGISTERED_FIRST)
                return place == REGISTERED_AGAIN ? STEP_END : STEP_WAIT;
        if (m->eta_ms > clock_wall_ms())
                return run_put_away(run, m->eta_ms, "eta", RUN_SCHEDULED);
        code = json_whole_since(lost, run_make_input(run));
        if (code)
                return step_unfit(run, code);
        const struct follow_how how = run_how(run);
        code = task_message_check(m, &how, run->why); /* better now than after its work was paid for */
        if (code)
                return step_unfit(run, code);
        run_observed(run, RUN_RECEIVED);
        return run_keeps_state(run) ? STEP_CLAIM : STEP_CALL;
}

/* ---- claim: may it run, and is its result there already? ---- */

static void on_claimed(const struct claim_reply *reply, void *arg);

static enum step step_claim(struct run *run)
{
        run_ask_claim(run, on_claimed);
        return STEP_WAIT;
}

static enum step step_granted(struct run *run, const struct claim_reply *reply)
{
        run_lease_begin(run);
        run_take_facts(run, reply->facts);
        if (run_was_reclaimed(run))
                return STEP_DEAD;
        if (reply->starts > run->worker->config->max_starts) {
                problem_set(run->why, "worker", "poison", "started %u times without finishing", reply->starts - 1);
                return STEP_DEAD;
        }
        if (run->worker->phase >= WORKER_HANDING_BACK)
                return STEP_HAND_BACK;
        run_observed(run, RUN_CLAIMED);
        return STEP_CALL;
}

/* Where its replacement was stored and may not have gone out, it does so now. */
static enum step step_superseded(struct run *run, const struct claim_reply *reply)
{
        if (!sends_replace(reply->sends))
                return STEP_ACK;
        run_take_sends(run, reply->sends);
        return STEP_PUBLISH;
}

static enum step after_claim(struct run *run, const struct claim_reply *reply)
{
        switch (reply->verdict) {
        case CLAIM_GRANTED: return step_granted(run, reply);
        case CLAIM_DONE:
                run_take_sends(run, reply->sends);
                return run_take_result(run, reply->result) ? STEP_PUBLISH : run_out_of_memory(run);
        case CLAIM_DEAD:
                run_recall_failure(run, reply->error);
                run_observed(run, RUN_DEAD, .why = run->why, .again = true);
                return STEP_BURY;
        case CLAIM_SUPERSEDED: return step_superseded(run, reply);
        case CLAIM_REVOKED: return STEP_REVOKE;
        case CLAIM_LEASED:
                return run_put_away(run, clock_wall_ms() + (int64_t)reply->wait_ms + 1, "leased", RUN_SCHEDULED);
        case CLAIM_REFUSED: *run->why = reply->why; return run_died(run);
        case CLAIM_CLOSED: return STEP_END;
        case CLAIM_STARVED: return run_out_of_memory(run);
        }
        return STEP_END;
}

static void on_claimed(const struct claim_reply *reply, void *arg)
{
        struct run *run = (struct run *)arg;
        run_go(run, after_claim(run, reply));
}

/* ---- call: the one remote call of a task, or its own work ---- */

static void step_on_reply(const struct ai_reply *reply, void *arg);

static enum step step_work(struct run *run)
{
        const unsigned long lost = json_memory_lost();
        struct outcome *out = run_new_outcome(run);
        if (!out)
                return run_out_of_memory(run);
        const int code = json_whole_since(lost, run->def->run(run_input(run), out, run->why));
        return code ? stopped_by_task(run, code, lost) : worked_out(run);
}

static enum step step_ask(struct run *run)
{
        return run_ask(run, step_on_reply) < 0 ? run_out_of_memory(run) : STEP_WAIT;
}

static enum step step_call(struct run *run)
{
        /* Not before the claim: a task that was committed in time must still publish what follows. */
        if (run->message.expires_ms && run->message.expires_ms <= clock_wall_ms())
                return run_refused(run,
                                   problem_set(run->why, "task", "expired", "it expired before a worker could run it"));
        const enum step first = control_before_call(run->worker->control, run);
        if (first != STEP_CALL)
                return first;
        if (run_lease_spent(run))
                return run_renew_lease(run);
        run_begin(run);
        run_store_started(run);
        if (!run->def->ask)
                return step_work(run);
        const unsigned long lost = json_memory_lost();
        const int code = json_whole_since(lost, run_make_request(run));
        if (code)
                return stopped_by_task(run, code, lost);
        return run_with_pictures(run, step_ask);
}

/* Its soft time limit has ended the call, and it has something to give all the same. */
static enum step step_overdue(struct run *run)
{
        const unsigned long lost = json_memory_lost();
        struct outcome *out = run_new_outcome(run);
        *run->why = (struct problem){ 0 };
        if (!out)
                return run_out_of_memory(run);
        const int code = json_whole_since(lost, run->def->overdue(run_input(run), out, run->why));
        return code ? stopped_by_task(run, code, lost) : worked_out(run);
}

static enum step out_of_time(struct run *run)
{
        return run->def->overdue && strcmp(run->why->code, "soft_time_limit") == 0 ? step_overdue(run) : STEP_DEAD;
}

static enum step after_call(struct run *run)
{
        const struct ai_reply *reply = run_reply(run);
        switch (reply->verdict) {
        case AI_OK: return STEP_JUDGE;
        case AI_TRANSIENT: *run->why = reply->why; return run_out_of_time(run) ? out_of_time(run) : STEP_RETRY;
        case AI_WAIT: run_wait(run, reply->wait_ms); return STEP_PAUSE;
        case AI_PERMANENT: *run->why = reply->why; return STEP_DEAD;
        case AI_CANCELLED: return run_is_terminated(run) ? STEP_REVOKE : STEP_HAND_BACK;
        }
        return STEP_END;
}

static void step_on_reply(const struct ai_reply *reply, void *arg)
{
        struct run *run = (struct run *)arg;
        const bool taken = run_take_reply(run, reply);
        run_drop_pictures(run);
        run_go(run, taken ? after_call(run) : run_out_of_memory(run));
}

/* ---- pause: the model rests; a short wait is held here, a longer one holds nothing (I6) ---- */

static enum step pause_model(struct run *run)
{
        const struct worker *w = run->worker;
        const uint64_t wait_ms = run_wait_ms(run);
        if (w->phase == WORKER_RUNNING && wait_ms <= w->config->hold_ms && run_lease_covers(run, wait_ms)) {
                run_observed(run, RUN_PAUSED, .wait_ms = wait_ms, .held = true);
                run_hold(run, wait_ms, STEP_CALL);
                return STEP_WAIT;
        }
        return run_put_away(run, clock_wall_ms() + (int64_t)run_spread_wait_ms(run), "paused", RUN_PAUSED);
}

/* ---- judge: what the reply means ---- */

static enum step step_judge(struct run *run)
{
        const unsigned long lost = json_memory_lost();
        struct outcome *out = run_new_outcome(run);
        if (!out)
                return run_out_of_memory(run);
        const int code = json_whole_since(lost, run->def->conclude(run_input(run), run_reply(run), out, run->why));
        return code ? stopped_by_task(run, code, lost) : worked_out(run);
}

/* ---- commit: result, document, events and rows in one transaction (I2, I4) ---- */

static void on_committed(enum store_result result, struct bytes stored, const struct problem *why, void *arg);

static enum step step_commit(struct run *run)
{
        const int code = run_commit(run, on_committed);
        return code ? run_refused(run, code) : STEP_WAIT;
}

static enum step after_commit(struct run *run, enum store_result result, struct bytes stored, const struct problem *why)
{
        switch (result) {
        case STORE_DONE: return step_committed(run);
        case STORE_ALREADY: /* another run was first: what it committed is what counts */
                return run_take_result(run, stored) ? step_committed(run) : run_out_of_memory(run);
        case STORE_STALE: /* the world moved on while it was worked out: once more, with what is true now */
                run_drop_outcome(run);
                return STEP_CLAIM;
        case STORE_REFUSED: *run->why = *why; return STEP_DEAD;
        case STORE_CLOSED: return STEP_END;
        case STORE_STARVED: return run_out_of_memory(run);
        }
        return STEP_END;
}

static void on_committed(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct run *run = (struct run *)arg;
        run_go(run, after_commit(run, result, stored, why));
}

/* ---- retry: the failed attempt and its next try, in one transaction ---- */

static enum step step_retry(struct run *run)
{
        const struct ai_reply *reply = run_reply(run);
        const bool committed = run_is_unsent(run); /* only its successors are missing */
        run_mark_transient(run, committed || reply->verdict == AI_TRANSIENT);
        if (run_attempts_used_up(run))
                return run_give_up(run);
        run_set_result_state(run, committed ? RESULT_NONE : RESULT_RETRY);
        const uint64_t wait_ms = run_retry_wait_ms(run);
        log_info("worker", "task=%s name=%s attempt=%u failed code=%s%s, again in %llu ms: %s", run->message.id,
                 run->message.name, run->message.retries + 1, run->why->code,
                 run_is_excused(run) ? ", which does not count: the endpoint has served nobody since" : "",
                 (unsigned long long)wait_ms, problem_told(run->why));
        return run_put_away(run, clock_wall_ms() + (int64_t)wait_ms, "retry", RUN_RETRYING);
}
