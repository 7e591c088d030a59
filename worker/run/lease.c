/* SPDX-License-Identifier: Apache-2.0 */
/* A claim is a lease: the task's deadline and some slack. It is looked at when it is spent. */
#include "worker/run/run.h"

#include "core/clock.h"
#include "core/json.h"

/* ---- the claim ---- */

static void lease_describe_claim(struct run *run)
{
        const struct task_message *m = &run->message;
        struct lease_part *lease = &run->lease;
        lease->claim = (struct claim){
                .id = m->id,
                .root_id = m->root_id,
                .parent_id = m->parent_id,
                .name = m->name,
                .pipeline = run_job_pipeline(run),
                .retries = m->retries,
                .nesting = m->nesting,
                .lease_ms = run_deadline_ms(run) + run->worker->config->lease_slack_ms,
                .sees = lease->sees,
        };
        for (const struct task_sees *s = run->def->sees; s->kind; s++)
                lease->sees[lease->claim.see_count++] =
                        (struct fact_set){ s->kind, json_string_value(json_at(run_document(run), s->owner)) };
}

void run_ask_claim(struct run *run, claim_done *done)
{
        struct store *store = run->worker->store;
        lease_describe_claim(run);
        run->lease.asked_ms = clock_mono_ms();
        store->run->claim(store, &run->lease.claim, done, run);
}

void run_lease_begin(struct run *run)
{
        run->lease.held = true;
}

/* ---- how long it lasts ---- */

static uint64_t lease_age_ms(const struct run *run)
{
        return clock_mono_ms() - run->lease.asked_ms;
}

bool run_holds_lease(const struct run *run)
{
        return run->lease.held;
}

static bool lease_over(const struct run *run)
{
        return run->lease.held && lease_age_ms(run) >= run->lease.claim.lease_ms;
}

bool run_lease_covers(const struct run *run, uint64_t wait_ms)
{
        return lease_age_ms(run) + wait_ms < run->worker->config->lease_slack_ms;
}

/* However small the slack is set, a store that takes its time to grant a claim must not be asked for ever. */
bool run_lease_spent(const struct run *run)
{
        enum { FRESH_MS = 1000 };
        return run->def->ask && run->lease.held && lease_age_ms(run) >= FRESH_MS && !run_lease_covers(run, 0);
}

bool run_waits_to_commit(const struct run *run)
{
        return run->step == STEP_COMMIT && run->lease.held && run->def->ask;
}

bool run_reclaims(struct run *run)
{
        const bool again = lease_over(run) && !run->lease.reclaims;
        run->lease.reclaims = run->lease.reclaims || again;
        return again;
}

bool run_was_reclaimed(const struct run *run)
{
        return run->lease.reclaims;
}

/* ---- its end ---- */

void run_lease_end(struct run *run)
{
        run->lease.held = false;
}

void run_give_back(struct run *run, const struct scheduled *again, store_done *done)
{
        struct store *store = run->worker->store;
        run->lease.held = run->lease.held && again; /* what could not be put away goes back, and the lease with it */
        run->lease.release = (struct release_lease){ .id = run->message.id, .again = again };
        store->run->give_back(store, &run->lease.release, done, run);
}

static void on_renewed(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        (void)stored, (void)why;
        run_go((struct run *)arg, result == STORE_CLOSED ? STEP_END : STEP_CLAIM);
}

enum step run_renew_lease(struct run *run)
{
        run_give_back(run, NULL, on_renewed);
        return STEP_WAIT;
}
