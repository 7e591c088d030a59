/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/gate/limiter.h"

enum { RAMP_MS = LIMITER_RAMP_STEP_MS * LIMITER_RAMP_STEPS };

static uint64_t default_pause(unsigned pauses, uint64_t random);

void limiter_pause(struct limiter *l, uint64_t started_ms, uint64_t asked_ms, uint64_t now_ms, uint64_t random)
{
        const bool another = started_ms >= l->until_ms;
        if (another)
                l->pauses++;
        else if (asked_ms == 0)
                return;
        const uint64_t wait = asked_ms ? asked_ms : default_pause(l->pauses, random);
        if (now_ms + wait > l->until_ms) {
                l->until_ms = now_ms + wait;
                l->admitted = 0;
        }
}

void limiter_succeeded(struct limiter *l, uint64_t started_ms)
{
        if (started_ms >= l->until_ms)
                l->pauses = 0;
}

void limiter_ramp(struct limiter *l, uint64_t now_ms)
{
        if (now_ms > l->until_ms) {
                l->until_ms = now_ms;
                l->admitted = 0;
        }
}

uint64_t limiter_paused_ms(const struct limiter *l, uint64_t now_ms)
{
        return now_ms < l->until_ms ? l->until_ms - now_ms : 0;
}

bool limiter_is_ramping(const struct limiter *l, uint64_t now_ms)
{
        return l->until_ms != 0 && now_ms >= l->until_ms && now_ms - l->until_ms < RAMP_MS;
}

uint64_t limiter_take(struct limiter *l, uint64_t now_ms, uint64_t random)
{
        if (now_ms < l->until_ms)
                return l->until_ms - now_ms;
        if (!limiter_is_ramping(l, now_ms))
                return 0;
        const uint64_t since = now_ms - l->until_ms;
        const uint64_t step = since / LIMITER_RAMP_STEP_MS;
        if (l->admitted < (uint64_t)LIMITER_RAMP_FIRST << step) {
                l->admitted++;
                return 0;
        }
        const uint64_t next = (step + 1) * LIMITER_RAMP_STEP_MS - since;
        return next + random % (RAMP_MS - since - next + 1);
}

/* Doubling, the upper half at random, so that several processes do not come back together. */
static uint64_t default_pause(unsigned pauses, uint64_t random)
{
        uint64_t longest = LIMITER_PAUSE_MIN_MS;
        for (unsigned i = 0; i < pauses && longest < LIMITER_PAUSE_MAX_MS; i++)
                longest *= 2;
        if (longest > LIMITER_PAUSE_MAX_MS)
                longest = LIMITER_PAUSE_MAX_MS;
        return longest / 2 + random % (longest / 2 + 1);
}
