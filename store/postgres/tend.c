/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the outbox's daily partitions ahead of time: a few times a day a heartbeat sends the thread pool to run
 * chard.tend() on a connection of its own, because it takes locks that must not be held up with anybody's transaction. */
#include "store/postgres/postgres.h"

#include "core/clock.h"
#include "core/log.h"

#include <poll.h>
#include <stdlib.h>

#define EVERY_MS    (6u * 3600 * 1000)
#define FIRST_MS    250              /* a worker that starts has more urgent things to do */
#define AGAIN_MS    (5u * 60 * 1000) /* after a failure */
#define PATIENCE_MS 15000

struct tending {
        uv_work_t work;
        struct pg_store *store;
        struct problem why;
        int wait_ms, rc;
};

static void tend(uv_work_t *work)
{
        struct tending *t = work->data;
        struct patience patience = { clock_mono_ms() + PATIENCE_MS, t->store->tend_cancel };
        struct pollfd given_up = { .fd = t->store->tend_cancel, .events = POLLIN };
        PGconn *pg = NULL;

        if (t->wait_ms)
                poll(&given_up, 1, t->wait_ms);

        t->rc = session_connect(&t->store->address, &patience, &pg, &t->why);
        if (t->rc == 0)
                t->rc = session_run(pg, "select chard.tend()", &patience, NULL, NULL, &t->why);
        if (pg)
                PQfinish(pg);
}

static void tended(uv_work_t *work, int status)
{
        struct tending *t = work->data;
        struct pg_store *s = t->store;

        s->tending = false;
        if (status == 0 && t->rc != 0 && !s->closing) {
                log_warn("store", "the outbox's partitions could not be looked after: %s", t->why.text);
                s->tend_at_ms = clock_mono_ms() + AGAIN_MS;
        }
        free(t);
        store_drop(s);
}

void tend_when_due(struct pg_store *s)
{
        uint64_t now = clock_mono_ms();
        struct tending *t;

        if (s->tending || s->closing || now < s->tend_at_ms || !(t = calloc(1, sizeof(*t))))
                return;
        t->wait_ms = s->tend_at_ms == 0 ? FIRST_MS : 0;
        s->tend_at_ms = now + EVERY_MS;
        t->store = s;
        t->work.data = t;
        if (uv_queue_work(s->config.loop, &t->work, tend, tended) != 0) {
                free(t);
                return;
        }
        s->tending = true;
        store_hold(s);
}
