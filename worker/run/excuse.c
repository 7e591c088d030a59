/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/run/excuse.h"

/* A clock that was set back, or a message that comes from the future, must not make the patience longer. */
static uint64_t since_ms(int64_t then_ms, int64_t now_ms)
{
        return then_ms < now_ms ? (uint64_t)(now_ms - then_ms) : 0;
}

static bool is_patient(const struct task_failures *failures, const struct failed_attempt *a)
{
        return since_ms(failures->first_ms, a->now_ms) < a->patience_ms;
}

/* A process that has begun lately, and has not been served yet, knows of nobody. */
static bool served_meanwhile(const struct task_failures *before, const struct failed_attempt *a)
{
        const uint64_t meanwhile_ms =
                before->last_ms ? since_ms(before->last_ms, a->now_ms) : (uint64_t)a->reply->elapsed_ms;
        return a->reply->served_ago_ms < meanwhile_ms;
}

static bool is_excused(const struct task_failures *before, const struct failed_attempt *a)
{
        const struct ai_reply *r = a->reply;
        return r->verdict == AI_TRANSIENT && !r->whole && (r->out || !served_meanwhile(before, a));
}

/* Somebody was served since: the run of failures with nobody served starts anew, and its patience with it. A message may take its model out each
 * time, beside others that are served, so what fails while the model is out does so only once the patience is over, and counts then. */
static bool is_new_run(const struct task_failures *before, const struct failed_attempt *a)
{
        return served_meanwhile(before, a) && (!a->reply->out || !is_patient(before, a));
}

struct task_failures excuse_add(const struct task_failures *before, unsigned retries, const struct failed_attempt *a)
{
        struct task_failures after = *before;
        const bool known = before->first_ms > 0 && before->first_ms <= a->now_ms;
        const bool anew = known && is_new_run(before, a);
        if (after.excused > retries)
                after.excused = retries;
        if (!known || anew)
                after.first_ms = a->now_ms;
        after.excused += !anew && is_patient(&after, a) && is_excused(before, a);
        after.last_ms = a->now_ms;
        return after;
}

uint64_t excuse_wait_ms(unsigned excused)
{
        enum { FIRST_MS = 500, MOST_DOUBLED = 6 };
        return (uint64_t)FIRST_MS << (excused <= MOST_DOUBLED ? excused - (excused > 0) : MOST_DOUBLED);
}

unsigned excuse_counted(const struct task_failures *after, unsigned retries, const struct failed_attempt *a)
{
        return is_patient(after, a) ? retries + 1 - after->excused : retries + 1;
}
