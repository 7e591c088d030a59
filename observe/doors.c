/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/doors.h"

#include "broker/broker.h"
#include "store/store.h"

#include <errno.h>
#include <stdlib.h>

struct door_meter {
        struct collector collector; /* first */
        struct broker *broker;
        struct store *store;
        bool (*ready)(void *arg);
        void *arg;
};

static void door_set(struct metrics *m, enum meter_row row, double value)
{
        series_set(METRICS_SERIES(m, row, NULL), value);
}

/* The rows of a door's counts. */
struct door_rows {
        enum meter_row losses, calls, refusals, size, seconds;
};

static void door_counts_set(struct metrics *m, const struct door_rows *rows, const struct door_counts *c)
{
        door_set(m, rows->losses, (double)c->losses);
        door_set(m, rows->calls, (double)c->calls);
        door_set(m, rows->refusals, (double)c->errors);
        series_copy(METRICS_SERIES(m, rows->size, NULL), &c->sizes);
        series_copy(METRICS_SERIES(m, rows->seconds, NULL), &c->seconds);
}

static void door_broker_set(struct metrics *m, struct broker *b)
{
        static const struct door_rows rows = { METER_BROKER_LOSSES, METER_BROKER_CALLS, METER_BROKER_REFUSALS,
                                               METER_BROKER_GROUP_SIZE, METER_BROKER_GROUP_SECONDS };
        struct broker_health h;
        broker_health(b, &h);
        door_set(m, METER_BROKER_UP, h.state != BROKER_DOWN);
        door_set(m, METER_BROKER_BLOCKED, h.state == BROKER_BLOCKED);
        series_set(METRICS_SERIES(m, METER_BROKER_CONSUMERS, "wanted"), h.consumers_wanted);
        series_set(METRICS_SERIES(m, METER_BROKER_CONSUMERS, "registered"), h.consumers_registered);
        door_set(m, METER_BROKER_FRAME_AGE_SECONDS, (double)h.last_frame_ms / 1e3);
        door_set(m, METER_BROKER_UNCONFIRMED, (double)h.unconfirmed);
        door_counts_set(m, &rows, broker_counts(b));
}

static void door_store_set(struct metrics *m, struct store *s)
{
        static const struct door_rows rows = { METER_STORE_LOSSES, METER_STORE_CALLS, METER_STORE_REFUSALS,
                                               METER_STORE_GROUP_SIZE, METER_STORE_GROUP_SECONDS };
        door_set(m, METER_STORE_UP, s->backend->up(s));
        door_set(m, METER_STORE_WAITING, (double)s->backend->waiting(s));
        door_counts_set(m, &rows, store_counts(s));
}

static void door_collect(struct collector *c, struct metrics *m)
{
        const struct door_meter *d = (const struct door_meter *)c;
        if (d->broker)
                door_broker_set(m, d->broker);
        if (d->store)
                door_store_set(m, d->store);
        if (d->ready)
                door_set(m, METER_READY, d->ready(d->arg));
}

int door_meter_open(struct door_meter **out, struct meter *meter, struct broker *broker, struct store *store,
                    bool (*ready)(void *arg), void *arg)
{
        struct door_meter *d = malloc(sizeof(*d));
        if (!d)
                return -ENOMEM;
        *d = (struct door_meter){
                .collector.collect = door_collect, .broker = broker, .store = store, .ready = ready, .arg = arg
        };
        metrics_collect_by(meter_metrics(meter), &d->collector);
        *out = d;
        return 0;
}

void door_meter_use(struct door_meter *m, struct broker *broker)
{
        m->broker = broker;
}

void door_meter_close(struct door_meter *m)
{
        free(m);
}
