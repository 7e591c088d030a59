/* SPDX-License-Identifier: Apache-2.0 */
/* The step table: one task's life, from its delivery to its ack. Each step does one thing and returns the next;
 * one that has to wait returns STEP_WAIT, and the function that hears the answer (on_…) names the step that follows.
 *
 *     decode -> claim -> call -> judge -> commit -> publish -> ack
 *                          \-> pause -> ack   \-> retry -> ack      (any) -> dead -> bury -> ack
 *
 * A task that was revoked goes from claim or call to revoke and its ack (worker/run/revoke.c).
 * Where somebody waits for a result or counts the parts of a chord, tell and join come before that ack (worker/results/tell.c, join.c); where they
 * can't be done now, because the result backend is away, the store keeps what is left of them (owe, worker/results/owe.c).
 */
#include "worker/run/run.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "worker/control.h"
#include "worker/run/fault.h"

#include <string.h>

static enum step step_decode(struct run *run);
static enum step claim(struct run *run);
static enum step call(struct run *run);
static enum step pause_model(struct run *run);
static enum step step_judge(struct run *run);
static enum step commit(struct run *run);
static enum step retry(struct run *run);
static enum step ack(struct run *run);

static const struct {
        const char *name;
        enum step (*enter)(struct run *run);
} table[] = {
        [STEP_DECODE] = { "decode", step_decode },
        [STEP_CLAIM] = { "claim", claim },
        [STEP_CALL] = { "call", call },
        [STEP_PAUSE] = { "pause", pause_model },
        [STEP_JUDGE] = { "judge", step_judge },
        [STEP_COMMIT] = { "commit", commit },
        [STEP_PUBLISH] = { "publish", run_publish },
        [STEP_RETRY] = { "retry", retry },
        [STEP_DEAD] = { "dead", run_dead },
        [STEP_BURY] = { "bury", run_bury },
        [STEP_TELL] = { "tell", run_tell_result },
        [STEP_JOIN] = { "join", run_join },
        [STEP_OWE] = { "owe", run_owe },
        [STEP_REVOKE] = { "revoke", revoke_run },
        [STEP_HAND_BACK] = { "hand_back", run_hand_back },
        [STEP_ACK] = { "ack", ack },
        [STEP_END] = { "end", NULL },
};

const char *step_name(enum step step)
{
        return table[step].name;
}

const char *run_shown_id(const struct run *run)
{
        return run->message.id ? run->message.id : "?";
}

void run_go(struct run *run, enum step step)
{
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
        problem_set(&run->why, "worker", "out_of_memory", "memory ran out while working on this task");
        log_error("worker", "task=%s out of memory, handed back", run_shown_id(run));
        return STEP_HAND_BACK;
}

/* A refusal (> 0) is the task's end; a fatal code (< 0) is ours, and the task goes back. */
enum step run_refused(struct run *run, int code)
{
        return code > 0 ? STEP_DEAD : run_out_of_memory(run);
}

/* What a task's own function said. A negative code is a bug of it, or memory that ran out: a failed attempt, so that it comes to an end. What jansson
 * had no memory for is missing in what it has built, and whatever it says then is no verdict. */
static enum step stopped_by_task(struct run *run, int code, unsigned long lost)
{
        if (json_memory_lost() != lost)
                return run_out_of_memory(run);
        if (code == TASK_AGAIN) {
                run->reply.why = run->why;
                return STEP_RETRY;
        }
        if (code > 0)
                return STEP_DEAD;
        problem_set(&run->reply.why, "task", "broken", "%s said \"%s\": memory ran out, or it has a bug",
                    run->def->name, strerror(-code));
        return STEP_RETRY;
}

/* Its outcome stands: in the store, or, for a stateless task, as it was worked out. */
static enum step committed(struct run *run)
{
        const bool kept = run_keeps_state(run), replaced = run_is_replaced(run);
        run_observed(run, (struct run_event){ .kind = RUN_COMMITTED,
                                              .replaced = replaced,
                                              .last = kept ? run->commit.branches == 0
                                                           : !replaced && !run_has_successor(run) });
        return STEP_PUBLISH;
}

/* Its outcome is there. What it wants sent must be such as can be: better now than after its result was stored. */
static enum step worked_out(struct run *run)
{
        const struct follow_how how = run_how(run);
        const int code = task_message_check_sends(&run->message, run->outcome.sends, &how, &run->why);
        if (code)
                return run_refused(run, code);
        run_observed(run, (struct run_event){ .kind = RUN_WORKED });
        return run_keeps_state(run) ? STEP_COMMIT : committed(run);
}

/* Safe in the store: wake the releaser in time, and let the delivery go. */
static enum step after_scheduled(struct run *run, enum store_result result, const struct problem *why)
{
        if (result == STORE_CLOSED)
                return STEP_END;
        if (result == STORE_STARVED)
                return run_out_of_memory(run);
        if (result == STORE_REFUSED) {
                run->why = *why;
                return run_died(run);
        }
        releaser_expect(run->worker->releaser, run->again.due_ms);
        run_observed_scheduled(run);
        return run_tell_or_ack(run);
}

static void on_scheduled(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct run *run = (struct run *)arg;
        (void)stored;
        run_go(run, after_scheduled(run, result, why));
}

/* Put this message away until `due_ms`, without a claim to end. */
static enum step schedule(struct run *run, int64_t due_ms, const char *reason, enum run_event_kind as)
{
        if (!run_make_again(run, due_ms, reason, as))
                return run_out_of_memory(run);
        run->worker->store->schedule->add(run->worker->store, &run->again, on_scheduled, run);
        return STEP_WAIT;
}

/* ---- decode: bytes to a task ---- */

/* It can't be worked on; memory that ran out says nothing of it. */
static enum step unfit(struct run *run, int code)
{
        if (code > 0)
                run_observed(run, (struct run_event){ .kind = RUN_RECEIVED });
        return run_refused(run, code);
}

static enum step step_decode(struct run *run)
{
        struct task_message *m = &run->message;
        const unsigned long lost = json_memory_lost();
        int code = task_message_decode(&run->arena, run->delivery->properties, run->delivery->body,
                                       run->worker->config->max_body, m, &run->why);
        code = json_whole_since(lost, code);
        run->task = m->name ? catalog_task(run->catalog, m->name) : NULL;
        run->def = run->task ? run->task->def : NULL;
        if (code)
                return unfit(run, code);
        if (!run->def)
                return unfit(run,
                             problem_set(&run->why, "task", "unknown_task",
                                         "no task is named \"%.100s\"; a worker that knows it must consume this queue",
                                         m->name));
        const enum registered place = run_keeps_state(run) ? intake_register(run) : REGISTERED_FIRST;
        if (place != REGISTERED_FIRST)
                return place == REGISTERED_AGAIN ? STEP_END : STEP_WAIT;
        if (m->eta_ms > clock_wall_ms())
                return schedule(run, m->eta_ms, "eta", RUN_SCHEDULED);
        run->pipeline = run->task->pipeline;
        if (run->def->flags & TASK_PLAIN)
                run->document = json_object();
        else
                code = pipeline_document(m, run->pipeline, &run->document, &run->why);
        code = json_whole_since(lost, code);
        if (code)
                return unfit(run, code);
        run_describe_input(run);
        const struct follow_how how = run_how(run);
        code = task_message_check(m, &how, &run->why); /* better now than after its work was paid for */
        if (code)
                return unfit(run, code);
        run_observed(run, (struct run_event){ .kind = RUN_RECEIVED });
        return run_keeps_state(run) ? STEP_CLAIM : STEP_CALL;
}

/* ---- claim: may it run, and is its result there already? ---- */

static void on_claimed(const struct claim_reply *reply, void *arg);

static enum step claim(struct run *run)
{
        struct worker *w = run->worker;
        run_describe_claim(run);
        run->claimed_ms = clock_mono_ms();
        w->store->run->claim(w->store, &run->claim, on_claimed, run);
        return STEP_WAIT;
}

static enum step granted(struct run *run, const struct claim_reply *reply)
{
        run->claimed = true;
        run->starts = reply->starts;
        json_decref(run->facts);
        run->facts = json_incref(reply->facts);
        run->input.facts = run->facts;
        if (run->doomed)
                return STEP_DEAD;
        if (reply->starts > run->worker->config->max_starts) {
                problem_set(&run->why, "worker", "poison", "started %u times without finishing", reply->starts - 1);
                return STEP_DEAD;
        }
        if (run->worker->phase >= WORKER_HANDING_BACK)
                return STEP_HAND_BACK;
        run_observed(run, (struct run_event){ .kind = RUN_CLAIMED });
        return STEP_CALL;
}

/* Where its replacement was stored and may not have gone out, it does so now. */
static enum step superseded(struct run *run, const struct claim_reply *reply)
{
        if (!sends_replace(reply->sends))
                return STEP_ACK;
        run->outcome.sends = json_incref(reply->sends);
        return STEP_PUBLISH;
}

static enum step after_claim(struct run *run, const struct claim_reply *reply)
{
        switch (reply->verdict) {
        case CLAIM_GRANTED: return granted(run, reply);
        case CLAIM_DONE:
                run->outcome.sends = json_incref(reply->sends);
                buffer_add(&run->result, reply->result.data, reply->result.size);
                return run->result.failed ? run_out_of_memory(run) : STEP_PUBLISH;
        case CLAIM_DEAD:
                run_recall_failure(run, reply->error);
                run_observed(run, (struct run_event){ .kind = RUN_DEAD, .why = &run->why, .again = true });
                return STEP_BURY;
        case CLAIM_SUPERSEDED: return superseded(run, reply);
        case CLAIM_REVOKED: return STEP_REVOKE;
        case CLAIM_LEASED: return schedule(run, clock_wall_ms() + (int64_t)reply->wait_ms + 1, "leased", RUN_SCHEDULED);
        case CLAIM_REFUSED: run->why = reply->why; return run_died(run);
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

/* The first time its work has begun. */
static void step_begin(struct run *run)
{
        const bool first = run->began_ms == 0;
        if (first)
                run->began_ms = clock_wall_ms();
        run_observed(run, (struct run_event){ .kind = RUN_CALLING, .first = first });
}

static enum step work(struct run *run)
{
        const unsigned long lost = json_memory_lost();
        if (outcome_open(&run->outcome, &run->arena) < 0)
                return run_out_of_memory(run);
        const int code = json_whole_since(lost, run->def->run(&run->input, &run->outcome, &run->why));
        return code ? stopped_by_task(run, code, lost) : worked_out(run);
}

static enum step call(struct run *run)
{
        /* Not before the claim: a task that was committed in time must still publish what follows. */
        if (run->message.expires_ms && run->message.expires_ms <= clock_wall_ms())
                return run_refused(
                        run, problem_set(&run->why, "task", "expired", "it expired before a worker could run it"));
        const enum step first = control_before_call(run->worker->control, run);
        if (first != STEP_CALL)
                return first;
        if (run->def->ask && run->claimed && !run_lease_spendable(run))
                return run_renew_lease(run);
        step_begin(run);
        run_tell_started(run);
        if (!run->def->ask)
                return work(run);
        const unsigned long lost = json_memory_lost();
        run->request = (struct ai_request){ .model = run->def->model, .task = run->def->name };
        const int code = json_whole_since(lost, run->def->ask(&run->input, &run->request, &run->why));
        if (code)
                return stopped_by_task(run, code, lost);
        run->request.deadline_ms = run_deadline_ms(run);
        run->request.traceparent = run->message.traceparent;
        if (ai_ask(run->worker->ai, &run->request, step_on_reply, run, &run->call) < 0)
                return run_out_of_memory(run);
        return STEP_WAIT;
}

/* Its soft time limit has ended the call, and it has something to give all the same. */
static enum step overdue(struct run *run)
{
        const unsigned long lost = json_memory_lost();
        run->why = (struct problem){ 0 };
        if (outcome_open(&run->outcome, &run->arena) < 0)
                return run_out_of_memory(run);
        const int code = json_whole_since(lost, run->def->overdue(&run->input, &run->outcome, &run->why));
        return code ? stopped_by_task(run, code, lost) : worked_out(run);
}

static enum step out_of_time(struct run *run)
{
        return run->def->overdue && strcmp(run->why.code, "soft_time_limit") == 0 ? overdue(run) : STEP_DEAD;
}

static enum step after_call(struct run *run)
{
        switch (run->reply.verdict) {
        case AI_OK: return STEP_JUDGE;
        case AI_TRANSIENT: return run_out_of_time(run) ? out_of_time(run) : STEP_RETRY;
        case AI_WAIT: run->wait_ms = run->reply.wait_ms; return STEP_PAUSE;
        case AI_PERMANENT: run->why = run->reply.why; return STEP_DEAD;
        case AI_CANCELLED: return run->terminated ? STEP_REVOKE : STEP_HAND_BACK;
        }
        return STEP_END;
}

static void step_on_reply(const struct ai_reply *reply, void *arg)
{
        struct run *run = (struct run *)arg;
        run->call = NULL;
        json_decref(run->reply.content);
        run->reply = *reply;
        json_incref(run->reply.content);
        if (reply->verdict != AI_CANCELLED)
                run_observed(run, (struct run_event){ .kind = RUN_ANSWERED,
                                                      .why = reply->verdict == AI_OK ? NULL : &run->reply.why });
        run_go(run, after_call(run));
}

/* ---- pause: the model rests; a short wait is held here, a longer one holds nothing (I6) ---- */

static void on_held(uv_timer_t *timer)
{
        struct run *run = (struct run *)timer->data;
        run->holding = false;
        run_go(run, STEP_CALL);
}

static enum step hold(struct run *run)
{
        run->holding = true;
        run_observed(run, (struct run_event){ .kind = RUN_PAUSED, .wait_ms = run->wait_ms, .held = true });
        uv_timer_start(&run->timer, on_held, run->wait_ms, 0);
        return STEP_WAIT;
}

static enum step pause_model(struct run *run)
{
        const struct worker *w = run->worker;
        if (w->phase == WORKER_RUNNING && run->wait_ms <= w->config->hold_ms && run_lease_covers(run, run->wait_ms))
                return hold(run);
        const int64_t due_ms = clock_wall_ms() + (int64_t)(run->limited ? run->wait_ms : run_spread_ms(run->wait_ms));
        if (!run_keeps_state(run))
                return schedule(run, due_ms, "paused", RUN_PAUSED);
        if (!run_make_again(run, due_ms, "paused", RUN_PAUSED))
                return run_out_of_memory(run);
        run->give_back = (struct release_lease){ .id = run->message.id, .again = &run->again };
        run->worker->store->run->give_back(run->worker->store, &run->give_back, on_scheduled, run);
        return STEP_WAIT;
}

/* ---- judge: what the reply means ---- */

static enum step step_judge(struct run *run)
{
        const unsigned long lost = json_memory_lost();
        if (outcome_open(&run->outcome, &run->arena) < 0)
                return run_out_of_memory(run);
        const int code = json_whole_since(lost, run->def->conclude(&run->input, &run->reply, &run->outcome, &run->why));
        return code ? stopped_by_task(run, code, lost) : worked_out(run);
}

/* ---- commit: result, document, events and rows in one transaction (I2, I4) ---- */

static void on_committed(enum store_result result, struct bytes stored, const struct problem *why, void *arg);

static enum step commit(struct run *run)
{
        struct worker *w = run->worker;
        const int code = run_settle_result(run);
        if (code)
                return run_refused(run, code);
        if (!run_describe_commit(run))
                return run_out_of_memory(run);
        w->store->run->commit(w->store, &run->commit, on_committed, run);
        return STEP_WAIT;
}

static enum step after_commit(struct run *run, enum store_result result, struct bytes stored, const struct problem *why)
{
        switch (result) {
        case STORE_DONE: return committed(run);
        case STORE_ALREADY: /* another run was first: what it committed is what counts */
                buffer_reset(&run->result);
                buffer_add(&run->result, stored.data, stored.size);
                return run->result.failed ? run_out_of_memory(run) : committed(run);
        case STORE_STALE: /* the world moved on while it was worked out: once more, with what is true now */
                outcome_close(&run->outcome);
                return STEP_CLAIM;
        case STORE_REFUSED: run->why = *why; return STEP_DEAD;
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

static enum step retry(struct run *run)
{
        const bool committed = run->published != PUBLISH_CONFIRMED; /* only its successors are missing */
        if (!committed)
                run->why = run->reply.why;
        run->transient = committed || run->reply.verdict == AI_TRANSIENT;
        if (run_attempts_used_up(run))
                return run_give_up(run);
        run->telling.what = committed ? TELL_NOTHING : TELL_RETRY;
        const uint64_t wait_ms = run_retry_wait_ms(run);
        const int64_t due_ms = clock_wall_ms() + (int64_t)wait_ms;
        log_info("worker", "task=%s name=%s attempt=%u failed code=%s%s, again in %llu ms: %s", run->message.id,
                 run->message.name, run->message.retries + 1, run->why.code,
                 run->excused ? ", which does not count: the endpoint has served nobody since" : "",
                 (unsigned long long)wait_ms, run->why.text);
        if (committed || !run_keeps_state(run))
                return schedule(run, due_ms, "retry", RUN_RETRYING);
        if (!run_make_again(run, due_ms, "retry", RUN_RETRYING))
                return run_out_of_memory(run);
        run_describe_failure(run, &run->again);
        run->worker->store->run->fail(run->worker->store, &run->failure, on_scheduled, run);
        return STEP_WAIT;
}

/* ---- ack: it is done, or safely somewhere else ---- */

static enum step ack(struct run *run)
{
        if (run->owed) {
                teller_told(run->owed);
                return STEP_END;
        }
        broker_ack(run->worker->broker, run->tag);
        run_observed(run, (struct run_event){ .kind = RUN_ACKED });
        return STEP_END;
}
