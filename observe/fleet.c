/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/fleet.h"

#include "core/clock.h"
#include "core/json.h"
#include "store/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
        FLEET_FRESH_MS = 1000,    /* what was said is good for so long … */
        FLEET_KNOWN_MS = 5000,    /* … and, where nothing newer comes, for so long */
        FLEET_PATIENCE_MS = 2000, /* whoever looks waits no longer */
};

struct fleet_place {
        struct fleet *fleet;
        const char *name;
        struct queue_depth depth;
        uint64_t at_ms;   /* when it was said; 0 = never */
        int64_t taken_ms; /* as picture.h has it */
        bool asked;
};

struct fleet_waiter {
        struct fleet_waiter *next;
        fleet_done *done;
        void *arg;
};

struct fleet {
        struct fleet_config config;
        uv_timer_t timer;
        struct fleet_waiter *waiters;
        json_t *figures; /* the store's; or NULL */
        uint64_t figures_ms;
        bool store_asked, asking, closed, timer_closed;
        unsigned pending; /* questions */
        struct fleet_place places[];
};

/* ---- being told ---- */

static void fleet_free(struct fleet *f)
{
        if (!f->closed || f->pending || !f->timer_closed)
                return;
        json_decref(f->figures);
        free(f);
}

/* All that wait are told; those that a `done` adds wait for the next time. */
static void fleet_settle(struct fleet *f)
{
        struct fleet_waiter *list = f->waiters, *next;
        f->waiters = NULL;
        uv_timer_stop(&f->timer);
        for (; list; list = next) {
                next = list->next;
                list->done(list->arg);
                free(list);
        }
}

static void fleet_heard(struct fleet *f)
{
        f->pending--;
        if (f->closed)
                fleet_free(f);
        else if (!f->pending && !f->asking)
                fleet_settle(f);
}

static void on_fleet_depth(const struct queue_depth *depth, void *arg)
{
        struct fleet_place *p = (struct fleet_place *)arg;
        p->depth = *depth;
        p->at_ms = clock_mono_ms();
        p->asked = false;
        fleet_heard(p->fleet);
}

static void on_fleet_figures(json_t *value, const struct problem *why, void *arg)
{
        struct fleet *f = (struct fleet *)arg;
        json_decref(f->figures);
        f->figures = why ? NULL : json_incref(value);
        f->figures_ms = clock_mono_ms();
        f->store_asked = false;
        fleet_heard(f);
}

static void on_fleet_time_up(uv_timer_t *timer)
{
        fleet_settle((struct fleet *)timer->data);
}

/* ---- asking ---- */

static bool fleet_is_within(uint64_t at_ms, uint64_t now_ms, uint64_t span_ms)
{
        return at_ms && now_ms - at_ms <= span_ms;
}

static void fleet_ask_queue(struct fleet *f, struct fleet_place *p, uint64_t now_ms)
{
        if (!f->config.broker || p->asked || fleet_is_within(p->at_ms, now_ms, FLEET_FRESH_MS))
                return;
        p->asked = true;
        f->pending++;
        f->config.broker->backend->depth(f->config.broker, p->name, on_fleet_depth, p);
}

/* A store that is away would answer when it is back. */
static void fleet_ask_store(struct fleet *f, uint64_t now_ms)
{
        struct store *s = f->config.store;
        if (f->store_asked || fleet_is_within(f->figures_ms, now_ms, FLEET_FRESH_MS) || !s->backend->up(s))
                return;
        f->store_asked = true;
        f->pending++;
        s->read->figures(s, on_fleet_figures, f);
}

static void fleet_ask(struct fleet *f)
{
        const uint64_t now_ms = clock_mono_ms();
        f->asking = true; /* answers from inside are not the last ones */
        for (size_t i = 0; i < f->config.queue_count; i++)
                fleet_ask_queue(f, &f->places[i], now_ms);
        fleet_ask_store(f, now_ms);
        f->asking = false;
}

void fleet_look(struct fleet *f, fleet_done *done, void *arg)
{
        fleet_ask(f);
        struct fleet_waiter *w = f->pending ? malloc(sizeof(*w)) : NULL;
        if (!w) {
                done(arg);
                return;
        }
        *w = (struct fleet_waiter){ f->waiters, done, arg };
        if (!f->waiters)
                uv_timer_start(&f->timer, on_fleet_time_up, FLEET_PATIENCE_MS, 0);
        f->waiters = w;
}

/* ---- what is known ---- */

const json_t *fleet_figures(const struct fleet *f)
{
        return fleet_is_within(f->figures_ms, clock_mono_ms(), FLEET_KNOWN_MS) ? f->figures : NULL;
}

const char *fleet_queue_name(const struct fleet *f, size_t at)
{
        return at < f->config.queue_count ? f->places[at].name : NULL;
}

struct picture fleet_queue(struct fleet *f, size_t at)
{
        struct fleet_place *p = &f->places[at];
        const bool known = fleet_is_within(p->at_ms, clock_mono_ms(), FLEET_KNOWN_MS);
        return picture_of(p->name, known ? &p->depth : NULL, json_object_get(fleet_figures(f), "workers"),
                          clock_wall_ms(), &p->taken_ms);
}

/* ---- metrics ---- */

static void fleet_set(struct metrics *m, enum meter_row row, const char *label, int64_t value, double scale)
{
        if (value >= 0)
                series_set(METRICS_SERIES(m, row, label), (double)value * scale);
}

static void fleet_show_queue(struct fleet *f, size_t at, struct metrics *m)
{
        const struct picture p = fleet_queue(f, at);
        const char *name = f->places[at].name;
        if (p.missing)
                return;
        fleet_set(m, METER_QUEUE_READY, name, p.ready, 1);
        fleet_set(m, METER_QUEUE_IN_FLIGHT, name, p.in_flight, 1);
        fleet_set(m, METER_QUEUE_SLOTS_FREE, name, p.slots_free, 1);
        fleet_set(m, METER_QUEUE_OLDEST_AGE_SECONDS, name, p.oldest_age_ms, 1e-3);
}

static void fleet_show_scheduled(const json_t *figures, struct metrics *m)
{
        size_t i;
        const json_t *row;
        json_array_foreach(json_object_get(figures, "scheduled"), i, row) {
                const char *reason = json_text(row, "reason", "");
                fleet_set(m, METER_SCHEDULED_MESSAGES, reason, json_number(row, "count", -1), 1);
                fleet_set(m, METER_SCHEDULED_DUE_MESSAGES, reason, json_number(row, "due", -1), 1);
        }
        fleet_set(m, METER_SCHEDULED_LATE_SECONDS, NULL, json_number(figures, "late_ms", 0), 1e-3);
        fleet_set(m, METER_DEAD_LETTERS, NULL, json_number(figures, "dead", -1), 1);
}

static void fleet_show_slot(const json_t *slot, struct metrics *m)
{
        static const char *const statuses[] = { "reserved", "extended", "unreserved", "lost" };
        const char *name = json_text(slot, "name", ""), *status = json_text(slot, "wal_status", NULL);
        const json_t *safe = json_object_get(slot, "safe");
        fleet_set(m, METER_REPLICATION_SLOT_LAG, name, json_number(slot, "lag", -1), 1);
        fleet_set(m, METER_REPLICATION_SLOT_ACTIVE, name, json_is_true(json_object_get(slot, "active")), 1);
        fleet_set(m, METER_EVENTS_UNDELIVERED_SECONDS, name, json_number(slot, "undelivered_ms", -1), 1e-3);
        if (json_is_integer(safe))
                series_set(METRICS_SERIES(m, METER_REPLICATION_SLOT_SAFE, name), (double)json_integer_value(safe));
        for (size_t i = 0; status && i < sizeof(statuses) / sizeof(statuses[0]); i++)
                series_set(METRICS_SERIES(m, METER_REPLICATION_SLOT_WAL_STATUS, name, statuses[i]),
                           strcmp(status, statuses[i]) == 0);
}

static void fleet_show_slots(const json_t *figures, struct metrics *m)
{
        size_t i;
        const json_t *row;
        json_array_foreach(json_object_get(figures, "slots"), i, row)
                fleet_show_slot(row, m);
}

static void fleet_show_processes(const json_t *figures, struct metrics *m)
{
        static const char *const roles[] = { "worker", "keeper" };
        static const char *const states[] = { "consuming", "not_consuming", "stopped", "dead" };
        size_t i;
        const json_t *row;
        for (size_t role = 0; role < 2; role++)
                for (size_t state = 0; state < 4; state++) {
                        int64_t count = 0;
                        json_array_foreach(json_object_get(figures, "workers"), i, row)
                                count += strcmp(picture_role(row), roles[role]) == 0 &&
                                         strcmp(picture_state(row), states[state]) == 0;
                        series_set(METRICS_SERIES(m, METER_FLEET_PROCESSES, roles[role], states[state]), (double)count);
                }
}

void fleet_show(struct fleet *f, struct metrics *m)
{
        const json_t *figures = fleet_figures(f);
        for (size_t i = 0; i < f->config.queue_count; i++)
                fleet_show_queue(f, i, m);
        if (!figures)
                return;
        fleet_show_scheduled(figures, m);
        fleet_show_slots(figures, m);
        fleet_show_processes(figures, m);
}

/* ---- opening and closing ---- */

int fleet_open(struct fleet **out, const struct fleet_config *config)
{
        struct fleet *f = calloc(1, sizeof(*f) + config->queue_count * sizeof(f->places[0]));
        if (!f)
                return -ENOMEM;
        f->config = *config;
        for (size_t i = 0; i < config->queue_count; i++)
                f->places[i] = (struct fleet_place){ .fleet = f, .name = config->queues[i] };
        f->config.queues = NULL;
        uv_timer_init(config->loop, &f->timer);
        f->timer.data = f;
        *out = f;
        return 0;
}

void fleet_use(struct fleet *f, struct broker *broker)
{
        f->config.broker = broker;
}

static void on_fleet_timer_closed(uv_handle_t *timer)
{
        struct fleet *f = (struct fleet *)timer->data;
        f->timer_closed = true;
        fleet_free(f);
}

void fleet_close(struct fleet *f)
{
        if (!f)
                return;
        fleet_settle(f);
        f->closed = true;
        uv_close((uv_handle_t *)&f->timer, on_fleet_timer_closed);
}
