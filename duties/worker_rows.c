/* SPDX-License-Identifier: Apache-2.0 */
/* Forgets workers, keepers and whoever else has a row in chard.worker, once they have given no sign of life for a day: pods have a new name each time. Until
 * then their rows tell an operator who is missing. */
#include "core/json.h"
#include "core/log.h"
#include "duties/duty.h"
#include "store/fleet.h"

#include <jansson.h>

enum { WORKER_ROWS_EVERY_MS = 3600 * 1000, WORKER_ROWS_AGAIN_MS = 60 * 1000, WORKER_ROWS_SILENT_MS = 24 * 3600 * 1000 };

static void worker_rows_on_gone(json_t *gone, const struct problem *why, void *arg)
{
        struct duty_run *run = (struct duty_run *)arg;
        if (why && !duty_stopping(run))
                log_warn("duties", "who gives no sign of life any more could not be forgotten: %s", why->text);
        else if (json_array_size(gone) > 0)
                log_info("duties", "forgot %zu workers that have given no sign of life for a day, %s the first of them",
                         json_array_size(gone), json_text(json_array_get(gone, 0), "name", ""));
        duty_done_for(run, why ? WORKER_ROWS_AGAIN_MS : WORKER_ROWS_EVERY_MS);
}

static void worker_rows_round(struct duty_run *run)
{
        struct store *store = run->config->store;
        store->fleet->forget_workers(store, WORKER_ROWS_SILENT_MS, worker_rows_on_gone, run);
}

const struct duty duty_worker_rows = {
        .name = "worker rows",
        .every_ms = WORKER_ROWS_EVERY_MS,
        .round = worker_rows_round,
};
