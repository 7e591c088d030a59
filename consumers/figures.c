/* SPDX-License-Identifier: Apache-2.0 */
#include "consumers/figures.h"

#include "core/clock.h"
#include "core/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIGURES_EVERY_MS = 5000, FIGURES_KNOWN_MS = 15000 };

struct consumer_figures {
        struct collector collector; /* first */
        struct store *store;
        const struct consuming *list;
        size_t count;
        uv_timer_t timer;
        json_t *standing; /* what the store said; or NULL */
        uint64_t at_ms;
        bool asked, closed, timer_closed;
};

/* ---- steps ---- */

void consumer_count_step(struct meter *meter, const struct consuming *c, uint64_t took_us)
{
        static const char *const outcomes[] = {
                [HEARD_ACTS] = "acted", [HEARD_WAITS] = "put_aside", [HEARD_DIES] = "dead"
        };
        if (!meter)
                return;
        struct metrics *m = meter_metrics(meter);
        series_observe(METRICS_SERIES(m, METER_CONSUMER_STEP_SECONDS, consuming_name(c)), (double)took_us / 1e6, NULL,
                       0);
        for (size_t i = 0; i < c->batch.count; i++)
                if (c->batch.list[i].state == HEARD_NOW)
                        series_add(METRICS_SERIES(m, METER_CONSUMER_EVENTS, consuming_name(c),
                                                  outcomes[c->batch.list[i].verdict]),
                                   1);
}

/* ---- where they stand ---- */

static void standing_free(struct consumer_figures *f)
{
        if (!f->closed || f->asked || !f->timer_closed)
                return;
        json_decref(f->standing);
        free(f);
}

static void standing_on_said(json_t *rows, const struct problem *why, void *arg)
{
        struct consumer_figures *f = (struct consumer_figures *)arg;
        f->asked = false;
        if (!why) {
                json_decref(f->standing);
                f->standing = json_incref(rows);
                f->at_ms = clock_mono_ms();
        }
        standing_free(f);
}

/* A store that is away would answer when it is back. */
static void standing_on_time(uv_timer_t *timer)
{
        struct consumer_figures *f = (struct consumer_figures *)timer->data;
        if (f->asked || !f->store->backend->up(f->store))
                return;
        f->asked = true;
        f->store->consumer->list(f->store, standing_on_said, f);
}

static void standing_set(const struct consumer_figures *f, const char *name, struct metrics *m)
{
        size_t i;
        const json_t *row;
        if (clock_mono_ms() - f->at_ms > FIGURES_KNOWN_MS)
                return;
        json_array_foreach(f->standing, i, row) {
                if (strcmp(json_text(row, "name", ""), name) != 0)
                        continue;
                series_set(METRICS_SERIES(m, METER_CONSUMER_BEHIND, name), (double)json_number(row, "behind", 0));
                series_set(METRICS_SERIES(m, METER_CONSUMER_WAITING, name), (double)json_number(row, "waiting", 0));
        }
}

static void standing_collect(struct collector *c, struct metrics *m)
{
        const struct consumer_figures *f = (const struct consumer_figures *)c;
        for (size_t i = 0; i < f->count && !f->closed; i++) {
                const struct consuming *one = &f->list[i];
                series_set(METRICS_SERIES(m, METER_CONSUMER_ACTS, consuming_name(one)), one->taken && !one->ended);
                standing_set(f, consuming_name(one), m);
        }
}

/* ---- opening and closing ---- */

int consumer_figures_open(struct consumer_figures **out, uv_loop_t *loop, struct meter *meter, struct store *store,
                          const struct consuming *list, size_t count)
{
        struct consumer_figures *f = calloc(1, sizeof(*f));
        if (!f)
                return -ENOMEM;
        f->collector.collect = standing_collect;
        f->store = store;
        f->list = list;
        f->count = count;
        uv_timer_init(loop, &f->timer);
        f->timer.data = f;
        uv_timer_start(&f->timer, standing_on_time, 0, FIGURES_EVERY_MS);
        uv_unref((uv_handle_t *)&f->timer);
        metrics_collect_by(meter_metrics(meter), &f->collector);
        *out = f;
        return 0;
}

static void standing_on_timer_closed(uv_handle_t *timer)
{
        struct consumer_figures *f = (struct consumer_figures *)timer->data;
        f->timer_closed = true;
        standing_free(f);
}

void consumer_figures_close(struct consumer_figures *f)
{
        if (!f)
                return;
        f->closed = true;
        uv_close((uv_handle_t *)&f->timer, standing_on_timer_closed);
}
