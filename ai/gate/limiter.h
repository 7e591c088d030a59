/* SPDX-License-Identifier: Apache-2.0 */
/* Stops calling one model for as long as its provider asks, then lets calls back in by and by: a few at first, twice as many
 * every quarter of a second, so that thousands that waited do not all return in the same moment and earn the next pause.
 * Pure: time (monotonic milliseconds) and random bits come in. Owned by the loop thread. */
#ifndef CHARD_AI_GATE_LIMITER_H
#define CHARD_AI_GATE_LIMITER_H

#include <stdbool.h>
#include <stdint.h>

enum {
        LIMITER_PAUSE_MIN_MS = 1000,  /* a pause that the provider puts no length to: from here … */
        LIMITER_PAUSE_MAX_MS = 20000, /* … doubling to here while no call succeeds in between */
        LIMITER_RAMP_FIRST = 8,       /* calls let in at once when a pause ends */
        LIMITER_RAMP_STEP_MS = 250,   /* and twice as many in all after each of these */
        LIMITER_RAMP_STEPS = 12,      /* after so many, anybody may call */
};

/* Zero-initialise to start: nothing is paused. */
struct limiter {
        uint64_t until_ms; /* end of the last pause; 0 = there was none */
        uint64_t admitted; /* calls let in since then, while the ramp lasts */
        unsigned pauses;   /* in a row, without a success in between */
};

/* The provider said "slow down" to a call that began at `started_ms`; `asked_ms` is the wait it named, 0 = none. Calls that
 * were under way when a pause began belong to that pause: they may lengthen it but do not count as the next one. */
void limiter_pause(struct limiter *l, uint64_t started_ms, uint64_t asked_ms, uint64_t now_ms, uint64_t random);

/* A call that began at `started_ms` was answered: the provider is serving us again. */
void limiter_succeeded(struct limiter *l, uint64_t started_ms);

/* Let calls in by and by from now on, as after a pause. */
void limiter_ramp(struct limiter *l, uint64_t now_ms);

/* Milliseconds until the pause ends; 0 = not paused. */
uint64_t limiter_paused_ms(const struct limiter *l, uint64_t now_ms);

/* Is its pause over, and calls are let in by and by? */
bool limiter_is_ramping(const struct limiter *l, uint64_t now_ms);

/* Ask to call now. Returns 0 and counts the call, or the milliseconds to wait before asking again (> 0); those that are turned
 * away during the ramp are told different times, spread over what is left of it. */
uint64_t limiter_take(struct limiter *l, uint64_t now_ms, uint64_t random);

#endif
