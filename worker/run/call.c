/* SPDX-License-Identifier: Apache-2.0 */
/* A task's one remote call: what keeps it waiting, the request, its reply, and what ends it early. */
#include "worker/run/run.h"

#include "core/clock.h"
#include "tasks/offline.h"

#include <stddef.h>
#include <string.h>

/* ---- how long it may take ---- */

/* The deadline of the task itself, whatever its message says. */
static unsigned own_deadline_ms(const struct run *run)
{
        const unsigned all = run->worker->config->deadline_ms;
        return all ? all : run->def->deadline_ms;
}

static unsigned soft_limit_ms(const struct run *run)
{
        return run->message.soft_limit_ms ? run->message.soft_limit_ms : run->call.soft_limit_ms;
}

/* The sooner of its limits; 0 = none. As in Celery each is the message's, or else the task's. */
static unsigned sooner_limit_ms(const struct run *run)
{
        const unsigned hard = run->message.hard_limit_ms ? run->message.hard_limit_ms : run->call.hard_limit_ms;
        const unsigned soft = soft_limit_ms(run);
        return soft && (!hard || soft < hard) ? soft : hard;
}

unsigned run_deadline_ms(const struct run *run)
{
        const unsigned own = own_deadline_ms(run), limit = sooner_limit_ms(run);
        return limit && limit < own ? limit : own;
}

bool run_out_of_time(struct run *run)
{
        const unsigned limit = sooner_limit_ms(run);
        if (!limit || limit >= own_deadline_ms(run) || strcmp(run_reply(run)->why.code, "timeout") != 0)
                return false;
        const bool soft = limit == soft_limit_ms(run);
        problem_set(run->why, "task", soft ? "soft_time_limit" : "time_limit", "%g", (double)limit / 1000);
        return true;
}

/* ---- before it ---- */

void run_limit_rate(struct run *run, uint64_t wait_ms, bool admitted)
{
        run->call.wait_ms = wait_ms;
        run->call.limited = wait_ms > 0;
        run->call.admitted = admitted;
}

bool run_is_admitted(const struct run *run)
{
        return run->call.admitted;
}

void run_admit(struct run *run, unsigned soft_limit_ms, unsigned hard_limit_ms)
{
        run->call.limited = false;
        run->call.soft_limit_ms = soft_limit_ms;
        run->call.hard_limit_ms = hard_limit_ms;
}

void run_begin(struct run *run)
{
        const bool first = run->call.began_ms == 0;
        if (first)
                run->call.began_ms = clock_wall_ms();
        run_observed(run, RUN_CALLING, .first = first);
}

/* ---- request and reply ---- */

int run_make_request(struct run *run)
{
        run->call.request = (struct ai_request){ .model = run->def->model, .task = run->def->name };
        return run->def->ask(run_input(run), &run->call.request, run->why);
}

int run_ask(struct run *run, ai_done *done)
{
        run->call.request.deadline_ms = run_deadline_ms(run);
        run->call.request.trace = run_trace_context(run, RUN_SPAN_CALL);
        run_drop_why(run);
        return ai_ask(run->worker->ai, &run->call.request, done, run, &run->call.under_way);
}

int run_answer_offline(const struct ai_request *request, json_t **answer, void *arg, struct problem *why)
{
        const struct run *run = (const struct run *)((const char *)request - offsetof(struct run, call.request));
        (void)arg;
        return offline_answer(run->task, request, answer, why);
}

const struct ai_reply run_no_reply;

bool run_is_answered(const struct run *run)
{
        return run->call.reply && run->call.reply->verdict != AI_WAIT;
}

bool run_take_reply(struct run *run, const struct ai_reply *reply)
{
        struct call_part *call = &run->call;
        call->under_way = NULL;
        if (!call->reply && (call->reply = arena_alloc(&run->arena, sizeof(*call->reply))) != NULL)
                *call->reply = run_no_reply;
        if (!call->reply || !run_take_why(run))
                return false;
        json_decref(call->reply->content);
        *call->reply = *reply;
        json_incref(call->reply->content);
        if (reply->verdict != AI_CANCELLED)
                run_observed(run, RUN_ANSWERED, .why = reply->verdict == AI_OK ? NULL : &call->reply->why);
        return true;
}

/* ---- a wait ---- */

void run_wait(struct run *run, uint64_t wait_ms)
{
        run->call.wait_ms = wait_ms;
}

uint64_t run_wait_ms(const struct run *run)
{
        return run->call.wait_ms;
}

uint64_t run_spread_wait_ms(const struct run *run)
{
        return run->call.limited ? run->call.wait_ms : run_spread_ms(run->call.wait_ms);
}

/* ---- ended early ---- */

bool run_cancel_call(const struct run *run)
{
        if (!run->call.under_way)
                return false;
        ai_cancel(run->worker->ai, run->call.under_way);
        return true;
}

void run_terminate(struct run *run)
{
        run->call.terminated = true;
        if (run_cancel_call(run) || (run->step == STEP_PAUSE && run_wake(run, STEP_REVOKE)))
                return;
        run->call.terminated = false;
}

bool run_is_terminated(const struct run *run)
{
        return run->call.terminated;
}
