/* SPDX-License-Identifier: Apache-2.0 */
/* A claim is a lease: the task's deadline and some slack. It is looked at when it is spent. */
#include "worker/run/run.h"

#include "core/clock.h"

static uint64_t lease_age_ms(const struct run *run)
{
        return clock_mono_ms() - run->claimed_ms;
}

bool run_lease_over(const struct run *run)
{
        return run->claimed && lease_age_ms(run) >= run->claim.lease_ms;
}

bool run_lease_covers(const struct run *run, uint64_t wait_ms)
{
        return lease_age_ms(run) + wait_ms < run->worker->config->lease_slack_ms;
}

/* However small the slack is set, a store that takes its time to grant a claim must not be asked for ever. */
bool run_lease_spendable(const struct run *run)
{
        enum { FRESH_MS = 1000 };
        return lease_age_ms(run) < FRESH_MS || run_lease_covers(run, 0);
}

bool run_waits_to_commit(const struct run *run)
{
        return run->step == STEP_COMMIT && run->claimed && run->def->ask;
}

static void on_renewed(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        (void)stored, (void)why;
        run_go((struct run *)arg, result == STORE_CLOSED ? STEP_END : STEP_CLAIM);
}

enum step run_renew_lease(struct run *run)
{
        run->claimed = false;
        run->give_back = (struct release_lease){ .id = run->message.id };
        run->worker->store->run->give_back(run->worker->store, &run->give_back, on_renewed, run);
        return STEP_WAIT;
}
