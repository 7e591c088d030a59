/* SPDX-License-Identifier: Apache-2.0 */
/* What was asked for of a task, looked at before it begins: that it is revoked, its rate limit, its time limits. */
#include "worker/control.h"

#include "core/clock.h"
#include "core/json.h"
#include "worker/control/control.h"

static enum step let_in(struct control *c, struct run *run)
{
        run->limited = false;
        limits_time(&c->limits, run->def->name, &run->message.soft_limit_ms, &run->message.hard_limit_ms);
        return STEP_CALL;
}

enum step control_before_call(struct control *c, struct run *run)
{
        if (!c)
                return STEP_CALL;
        const unsigned long lost = json_memory_lost();
        if (revoked_has(&c->revoked, run->message.id) || stamped_has(&c->stamped, &run->message))
                return STEP_REVOKE;
        if (json_memory_lost() != lost) /* its stamps could not be read */
                return run_out_of_memory(run);
        if (run->began_ms)
                return STEP_CALL;
        if (!c->limits.first || run->admitted)
                return let_in(c, run);
        const uint64_t hold_ms = run->worker->config->hold_ms;
        run->wait_ms = limits_take(&c->limits, run->def->name, clock_mono_ms(), hold_ms);
        run->limited = run->wait_ms > 0;
        run->admitted = run->wait_ms <= hold_ms;
        return run->wait_ms ? STEP_PAUSE : let_in(c, run);
}
