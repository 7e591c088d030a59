/* SPDX-License-Identifier: Apache-2.0 */
/* Forgets pictures that nobody has used for a while (store/blob.h): a few at a time, since each may be large. */
#include "core/json.h"
#include "core/log.h"
#include "duties/duty.h"
#include "store/blob.h"

enum { BLOBS_EVERY_MS = 10 * 60 * 1000, BLOBS_MORE_MS = 200 };

/* Often enough for a short time to mean something. */
static uint64_t blobs_period(const struct duty_run *run)
{
        const uint64_t keep_ms = (uint64_t)run->config->blob_keep_s * 1000;
        return keep_ms < BLOBS_EVERY_MS ? keep_ms : BLOBS_EVERY_MS;
}

static void on_blobs_forgotten(json_t *answer, const struct problem *why, void *arg)
{
        struct duty_run *run = (struct duty_run *)arg;
        const json_int_t forgotten = json_number(answer, "count", 0);
        if (why)
                log_warn("duties", "pictures that nobody uses could not be forgotten: %s", why->text);
        else if (forgotten)
                log_info("duties", "forgot %lld pictures that nobody had used for %u s", (long long)forgotten,
                         run->config->blob_keep_s);
        if (forgotten)
                duty_done_for(run, BLOBS_MORE_MS);
        else
                duty_done(run);
}

static void blobs_round(struct duty_run *run)
{
        struct store *store = run->config->store;
        store->blob->forget(store, (uint64_t)run->config->blob_keep_s * 1000, on_blobs_forgotten, run);
}

const struct duty duty_blobs = {
        .name = "blobs",
        .period_ms = blobs_period,
        .round = blobs_round,
};
