/* SPDX-License-Identifier: Apache-2.0 */
/* Stores the results that are owed: rows of the store (worker/results/owe_result.c), whoever left them there, oldest first, as soon as the result backend
 * is back, and now and then, because another worker, or the keeper, may have left some. Each row becomes a run that goes on where the other stopped. */
#include "worker/run/run.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"

#include <errno.h>
#include <stdlib.h>

enum {
        OWED_BATCH = 100,
        OWED_LOOK_MS = 500,    /* is the backend back? */
        OWED_PERIOD_MS = 10000 /* for what others left */
};

struct owed_item {
        struct owed_results *owner;
        int64_t id;
        bool told;
};

struct owed_results {
        struct worker *worker;
        uv_timer_t timer;
        struct owed_item items[OWED_BATCH]; /* the batch under way */
        size_t count, open;
        uint64_t next_ms; /* monotonic */
        bool asked, settling, stopped, closed, was_away;
};

static void owed_results_look(uv_timer_t *timer);

int owed_results_open(struct owed_results **out, struct worker *w)
{
        struct owed_results *t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        t->worker = w;
        uv_timer_init(w->loop, &t->timer);
        t->timer.data = t;
        uv_timer_start(&t->timer, owed_results_look, 0, OWED_LOOK_MS);
        *out = t;
        return 0;
}

bool owed_results_busy(const struct owed_results *t)
{
        return t->open || t->settling;
}

void owed_results_stop(struct owed_results *t)
{
        t->stopped = true;
        uv_timer_stop(&t->timer);
}

static void owed_results_release(uv_handle_t *handle)
{
        free(handle->data);
}

void owed_results_close(struct owed_results *t)
{
        if (!t)
                return;
        t->closed = true;
        uv_close((uv_handle_t *)&t->timer, owed_results_release);
}

/* ---- a batch ---- */

static void owed_results_on_rows(json_t *rows, const struct problem *why, void *arg);

static void owed_results_look(uv_timer_t *timer)
{
        struct owed_results *t = (struct owed_results *)timer->data;
        struct worker *w = t->worker;
        if (results_away(w->results)) {
                t->was_away = true;
                return;
        }
        const bool due = t->was_away || clock_mono_ms() >= t->next_ms;
        if (!due || t->asked || owed_results_busy(t) || !w->store->backend->up(w->store))
                return;
        t->was_away = false;
        t->asked = true;
        w->store->run->owed_take(w->store, OWED_BATCH, owed_results_on_rows, t);
}

static void owed_results_on_settled(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct owed_results *t = (struct owed_results *)arg;
        (void)result, (void)stored, (void)why; /* what is not deleted is told once more, which is harmless */
        t->settling = false;
        if (t->stopped && !t->closed)
                shutdown_adjust(t->worker);
}

/* Rows may be there that are due later: no look comes much later than they want. */
static uint64_t period_ms(const struct owed_results *t)
{
        const unsigned wait_ms = t->worker->config->chord_lost_ms;
        return wait_ms < OWED_PERIOD_MS ? wait_ms : OWED_PERIOD_MS;
}

static void owed_results_settle(struct owed_results *t)
{
        int64_t told[OWED_BATCH], untold[OWED_BATCH];
        size_t told_count = 0, untold_count = 0;
        for (size_t i = 0; i < t->count; i++) {
                if (t->items[i].told)
                        told[told_count++] = t->items[i].id;
                else
                        untold[untold_count++] = t->items[i].id;
        }
        t->next_ms = clock_mono_ms() + (t->count == OWED_BATCH && told_count ? 0 : period_ms(t));
        if (told_count)
                log_info("worker", "told %zu results that were owed", told_count);
        if (t->count == 0)
                return;
        t->settling = true;
        t->worker->store->run->owed_settle(t->worker->store, told, told_count, untold, untold_count,
                                           owed_results_on_settled, t);
}

static void owed_results_ended(struct owed_results *t)
{
        if (--t->open == 0 && !t->closed)
                owed_results_settle(t);
}

static void owed_results_start(struct owed_results *t, const json_t *row)
{
        struct owed_item *item = &t->items[t->count++];
        struct run *run = t->stopped ? NULL : run_new(t->worker);
        *item = (struct owed_item){ .owner = t, .id = json_number(row, "id", 0) };
        if (!run)
                return;
        t->open++;
        run_go(run, run_owed(run, row, item));
}

static void owed_results_on_rows(json_t *rows, const struct problem *why, void *arg)
{
        struct owed_results *t = (struct owed_results *)arg;
        t->asked = false;
        if (t->closed)
                return;
        if (why)
                log_warn("worker", "results that are owed can't be read: %s", why->text);
        t->count = 0;
        t->open = 1; /* it is not over before all have begun */
        for (size_t i = 0; i < json_array_size(rows) && t->count < OWED_BATCH; i++)
                owed_results_start(t, json_array_get(rows, i));
        owed_results_ended(t);
}

void owed_result_stored(struct owed_item *item)
{
        item->told = true;
}

void owed_result_ended(struct owed_item *item)
{
        owed_results_ended(item->owner);
}
