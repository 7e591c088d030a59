/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the outbox's daily partitions ahead of time: a few times a day a heartbeat sends a thread to run
 * chard.tend() on a connection of its own, because it takes locks that must not be held up with anybody's transaction.
 * Behind it goes what is old, a bounded number of rows a transaction, until nothing is left. */
#include "store/postgres/postgres.h"

#include "core/clock.h"
#include "core/log.h"
#include "core/thread/work.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVERY_MS    (6u * 3600 * 1000)
#define FIRST_MS    250              /* a worker that starts has more urgent things to do */
#define AGAIN_MS    (5u * 60 * 1000) /* after a failure */
#define PATIENCE_MS 15000

struct tending {
        struct work *work;
        struct pg_store *store;
        struct problem why;
        int wait_ms, rc;
};

/* Somebody else who forgets at the same time is left to do it alone. */
#define FORGET(what)                                                                       \
        "select case when pg_try_advisory_xact_lock(hashtextextended('chard.forget', 0)) " \
        "then chard." what " else 0 end"

static int tend_forget(PGconn *pg, const char *sql, struct tending *t)
{
        bool more = true;
        int rc = 0;

        while (rc == 0 && more) {
                struct patience patience = { clock_mono_ms() + PATIENCE_MS, t->store->tend_cancel };
                PGresult *gone = NULL;

                rc = session_run(pg, sql, &patience, &gone, NULL, &t->why);
                more = rc == 0 && strcmp(PQgetvalue(gone, 0, 0), "0") != 0;
                PQclear(gone);
        }
        return rc;
}

static void tend(void *arg)
{
        struct tending *t = arg;
        struct patience patience = { clock_mono_ms() + PATIENCE_MS, t->store->tend_cancel };
        struct pollfd given_up = { .fd = t->store->tend_cancel, .events = POLLIN };
        PGconn *pg = NULL;

        if (t->wait_ms)
                poll(&given_up, 1, t->wait_ms);

        t->rc = session_connect(&t->store->address, &patience, &pg, &t->why);
        if (t->rc == 0)
                t->rc = session_run(pg, "select chard.tend()", &patience, NULL, NULL, &t->why);
        if (t->rc == 0)
                t->rc = tend_forget(pg, FORGET("forget_steps(now() - interval '7 days')"), t);
        if (t->rc == 0)
                t->rc = tend_forget(pg, FORGET("forget_inbox(now() - interval '30 days')"), t);
        if (pg)
                PQfinish(pg);
}

static void pg_tend_tended(void *arg)
{
        struct tending *t = arg;
        struct pg_store *s = t->store;

        s->tending = NULL;
        if (t->rc != 0) {
                log_warn("store", "the outbox's partitions and what is old could not be looked after: %s", t->why.text);
                s->tend_at_ms = clock_mono_ms() + AGAIN_MS;
        }
        free(t);
        store_drop(s);
}

/* The store was closed meanwhile. */
static void tend_unwanted(void *arg)
{
        struct tending *t = arg;
        struct pg_store *s = t->store;

        free(t);
        store_drop(s);
}

void tend_give_up(struct pg_store *s)
{
        if (!s->tending)
                return;
        (void)!write(s->tend_cancel, &(uint64_t){ 1 }, sizeof(uint64_t));
        work_abandon(s->tending->work, GIVE_UP_MS);
        s->tending = NULL;
}

void tend_when_due(struct pg_store *s)
{
        static const struct work_calls calls = { tend, pg_tend_tended, tend_unwanted };
        uint64_t now = clock_mono_ms();
        struct tending *t;

        if (s->tending || s->closing || now < s->tend_at_ms || !(t = calloc(1, sizeof(*t))))
                return;
        t->wait_ms = s->tend_at_ms == 0 ? FIRST_MS : 0;
        s->tend_at_ms = now + EVERY_MS;
        t->store = s;
        store_hold(s);
        if (work_start(&t->work, s->config.loop, &calls, t) != 0) {
                tend_unwanted(t);
                return;
        }
        s->tending = t;
}
