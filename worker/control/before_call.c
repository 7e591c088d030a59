/* SPDX-License-Identifier: Apache-2.0 */
/* What was asked for of a task, looked at before it begins: that it is revoked, its rate limit, its time limits. */
#include "worker/control.h"

#include "core/clock.h"
#include "core/json.h"
#include "worker/control/control.h"

static enum step let_in(struct control *c, struct run *run)
{
        unsigned soft_ms = run->def->soft_time_limit_ms, hard_ms = run->def->time_limit_ms;
        if (c)
                limits_time(&c->limits, run->def->name, &soft_ms, &hard_ms);
        run_admit(run, soft_ms, hard_ms);
        return STEP_CALL;
}

enum step control_before_call(struct control *c, struct run *run)
{
        if (!c)
                return let_in(c, run);
        const unsigned long lost = json_memory_lost();
        if (revoked_has(&c->revoked, run->message.id) || stamped_has(&c->stamped, &run->message))
                return STEP_REVOKE;
        if (json_memory_lost() != lost) /* its stamps could not be read */
                return run_out_of_memory(run);
        if (run_began_ms(run))
                return STEP_CALL;
        if (!c->limits.first || run_is_admitted(run))
                return let_in(c, run);
        const uint64_t hold_ms = run->worker->config->hold_ms;
        const uint64_t wait_ms = limits_take(&c->limits, run->def->name, clock_mono_ms(), hold_ms);
        run_limit_rate(run, wait_ms, wait_ms <= hold_ms);
        return wait_ms ? STEP_PAUSE : let_in(c, run);
}
