/* SPDX-License-Identifier: Apache-2.0 */
/* A task's failed attempts: how many count, and when the next is to be. */
#include "worker/run/run.h"

#include "core/backoff.h"
#include "core/clock.h"
#include "core/id.h"
#include "worker/run/excuse.h"

static unsigned retry_limit(const struct run *run)
{
        const struct task_wish *wish = run_wish(run);
        return wish->limit >= 0 ? (unsigned)wish->limit : run->def->retry.limit;
}

bool run_attempts_used_up(struct run *run)
{
        const struct task_message *m = &run->message;
        struct attempt_part *a = &run->attempt;
        const struct failed_attempt failed = { .reply = run_reply(run),
                                               .now_ms = clock_wall_ms(),
                                               .patience_ms = 1000 * (uint64_t)run->worker->config->outage_patience_s };
        a->failures = excuse_add(&m->failures, m->retries, &failed);
        a->excused = a->failures.excused > m->failures.excused;
        return excuse_counted(&a->failures, m->retries, &failed) > retry_limit(run);
}

bool run_is_excused(const struct run *run)
{
        return run->attempt.excused;
}

const struct task_failures *run_failures(const struct run *run)
{
        return &run->attempt.failures;
}

uint64_t run_spread_ms(uint64_t wait_ms)
{
        enum { MOST_SPREAD_MS = 300000 };
        const uint64_t spread_ms = wait_ms < MOST_SPREAD_MS ? wait_ms : MOST_SPREAD_MS;
        return wait_ms + random_bits() % (spread_ms + 1);
}

uint64_t run_retry_wait_ms(const struct run *run)
{
        const struct retry_policy *policy = &run->def->retry;
        const struct ai_reply *reply = run_reply(run);
        const struct task_wish *wish = run_wish(run);
        if (wish->delay_ms >= 0)
                return (uint64_t)wish->delay_ms;
        uint64_t wait_ms = backoff_ms(policy->base_ms, policy->cap_ms, run->message.retries, random_bits());
        if (run->attempt.excused && wait_ms < excuse_wait_ms(run->attempt.failures.excused))
                wait_ms = excuse_wait_ms(run->attempt.failures.excused);
        if (wait_ms < reply->wait_ms)
                wait_ms = reply->wait_ms;
        return reply->out ? run_spread_ms(wait_ms) : wait_ms;
}

enum step run_give_up(struct run *run)
{
        const struct task_message *m = &run->message;
        if (run_wish(run)->unexplained)
                problem_set(run->why, "task", "retries_exhausted", "Can't retry %s[%s] args:%s kwargs:%s", m->name,
                            m->id, ask_json(run_input(run), m->args), ask_json(run_input(run), m->kwargs));
        return STEP_DEAD;
}
