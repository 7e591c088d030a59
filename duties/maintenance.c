/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the store in shape: the outbox's partitions are there before they are needed, and what is old goes (store/fleet.h). */
#include "core/log.h"
#include "duties/duty.h"
#include "store/fleet.h"

enum { MAINTENANCE_EVERY_MS = 6 * 3600 * 1000, MAINTENANCE_AGAIN_MS = 5 * 60 * 1000 };

static void maintenance_on_done(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct duty_run *run = (struct duty_run *)arg;
        const bool failed = result == STORE_REFUSED || result == STORE_STARVED;
        (void)stored;
        if (failed)
                log_warn("duties", "the outbox's partitions and what is old could not be looked after: %s", why->text);
        duty_done_for(run, failed ? MAINTENANCE_AGAIN_MS : MAINTENANCE_EVERY_MS);
}

static void maintenance_round(struct duty_run *run)
{
        struct store *store = run->config->store;
        store->fleet->maintain(store, maintenance_on_done, run);
}

const struct duty duty_maintenance = {
        .name = "maintenance",
        .every_ms = MAINTENANCE_EVERY_MS,
        .round = maintenance_round,
};
