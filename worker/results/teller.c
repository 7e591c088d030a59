/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the results that are owed: rows of the store (worker/results/owe.c), whoever left them there, oldest first, as soon as the result backend
 * is back, and now and then, because another worker, or the keeper, may have left some. Each row becomes a run that goes on where the other stopped. */
#include "worker/run/run.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"

#include <errno.h>
#include <stdlib.h>

enum {
        TELLER_BATCH = 100,
        TELLER_LOOK_MS = 500,    /* is the backend back? */
        TELLER_PERIOD_MS = 10000 /* for what others left */
};

struct owed_item {
        struct teller *teller;
        int64_t id;
        bool told;
};

struct teller {
        struct worker *worker;
        uv_timer_t timer;
        struct owed_item items[TELLER_BATCH]; /* the batch under way */
        size_t count, open;
        uint64_t next_ms; /* monotonic */
        bool asked, settling, stopped, closed, was_away;
};

static void teller_look(uv_timer_t *timer);

int teller_open(struct teller **out, struct worker *w)
{
        struct teller *t = calloc(1, sizeof(*t));
        if (!t)
                return -ENOMEM;
        t->worker = w;
        uv_timer_init(w->loop, &t->timer);
        t->timer.data = t;
        uv_timer_start(&t->timer, teller_look, 0, TELLER_LOOK_MS);
        *out = t;
        return 0;
}

bool teller_busy(const struct teller *t)
{
        return t->open || t->settling;
}

void teller_stop(struct teller *t)
{
        t->stopped = true;
        uv_timer_stop(&t->timer);
}

static void teller_release(uv_handle_t *handle)
{
        free(handle->data);
}

void teller_close(struct teller *t)
{
        if (!t)
                return;
        t->closed = true;
        uv_close((uv_handle_t *)&t->timer, teller_release);
}

/* ---- a batch ---- */

static void teller_on_rows(json_t *rows, const struct problem *why, void *arg);

static void teller_look(uv_timer_t *timer)
{
        struct teller *t = (struct teller *)timer->data;
        struct worker *w = t->worker;
        if (results_away(w->results)) {
                t->was_away = true;
                return;
        }
        const bool due = t->was_away || clock_mono_ms() >= t->next_ms;
        if (!due || t->asked || teller_busy(t) || !w->store->backend->up(w->store))
                return;
        t->was_away = false;
        t->asked = true;
        w->store->run->owed_take(w->store, TELLER_BATCH, teller_on_rows, t);
}

static void teller_on_settled(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct teller *t = (struct teller *)arg;
        (void)result, (void)stored, (void)why; /* what is not deleted is told once more, which is harmless */
        t->settling = false;
        if (t->stopped && !t->closed)
                shutdown_adjust(t->worker);
}

/* Rows may be there that are due later: no look comes much later than they want. */
static uint64_t period_ms(const struct teller *t)
{
        const unsigned wait_ms = t->worker->config->chord_lost_ms;
        return wait_ms < TELLER_PERIOD_MS ? wait_ms : TELLER_PERIOD_MS;
}

static void teller_settle(struct teller *t)
{
        int64_t told[TELLER_BATCH], untold[TELLER_BATCH];
        size_t told_count = 0, untold_count = 0;
        for (size_t i = 0; i < t->count; i++) {
                if (t->items[i].told)
                        told[told_count++] = t->items[i].id;
                else
                        untold[untold_count++] = t->items[i].id;
        }
        t->next_ms = clock_mono_ms() + (t->count == TELLER_BATCH && told_count ? 0 : period_ms(t));
        if (told_count)
                log_info("worker", "told %zu results that were owed", told_count);
        if (t->count == 0)
                return;
        t->settling = true;
        t->worker->store->run->owed_settle(t->worker->store, told, told_count, untold, untold_count, teller_on_settled,
                                           t);
}

static void teller_ended(struct teller *t)
{
        if (--t->open == 0 && !t->closed)
                teller_settle(t);
}

static void teller_start(struct teller *t, const json_t *row)
{
        struct owed_item *item = &t->items[t->count++];
        struct run *run = t->stopped ? NULL : run_new(t->worker);
        *item = (struct owed_item){ .teller = t, .id = json_number(row, "id", 0) };
        if (!run)
                return;
        t->open++;
        run->owed = item;
        run_go(run, run_owed(run, row));
}

static void teller_on_rows(json_t *rows, const struct problem *why, void *arg)
{
        struct teller *t = (struct teller *)arg;
        t->asked = false;
        if (t->closed)
                return;
        if (why)
                log_warn("worker", "results that are owed can't be read: %s", why->text);
        t->count = 0;
        t->open = 1; /* it is not over before all have begun */
        for (size_t i = 0; i < json_array_size(rows) && t->count < TELLER_BATCH; i++)
                teller_start(t, json_array_get(rows, i));
        teller_ended(t);
}

void teller_told(struct owed_item *item)
{
        item->told = true;
}

void teller_run_ended(struct owed_item *item)
{
        teller_ended(item->teller);
}
