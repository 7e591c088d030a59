/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the outbox's daily partitions ahead of time: chard.maintain() runs on a connection of its own, from a thread, because it takes locks that must not be
 * held up with anybody's transaction. Behind it goes what is old, a bounded number of rows a transaction, until nothing is left. */
#include "store/postgres/postgres.h"

#include "core/clock.h"
#include "core/thread/work.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATIENCE_MS 15000

struct pg_maintenance {
        struct work *work;
        struct pg_store *store;
        store_done *done; /* NULL: answered */
        void *arg;
        struct problem why;
        int rc;
};

/* Somebody else who forgets at the same time is left to do it alone. */
#define FORGET(what)                                                                       \
        "select case when pg_try_advisory_xact_lock(hashtextextended('chard.forget', 0)) " \
        "then chard." what " else 0 end"

static int pg_maintenance_forget(PGconn *pg, const char *sql, struct pg_maintenance *t)
{
        bool more = true;
        int rc = 0;

        while (rc == 0 && more) {
                struct patience patience = { clock_mono_ms() + PATIENCE_MS, t->store->maintain_cancel };
                PGresult *gone = NULL;

                rc = session_run(pg, sql, &patience, &gone, NULL, &t->why);
                more = rc == 0 && strcmp(PQgetvalue(gone, 0, 0), "0") != 0;
                PQclear(gone);
        }
        return rc;
}

static void pg_maintenance_run(void *arg)
{
        struct pg_maintenance *t = arg;
        struct patience patience = { clock_mono_ms() + PATIENCE_MS, t->store->maintain_cancel };
        PGconn *pg = NULL;

        t->rc = session_connect(&t->store->conninfo, &patience, &pg, &t->why);
        if (t->rc == 0)
                t->rc = session_run(pg, "select chard.maintain()", &patience, NULL, NULL, &t->why);
        if (t->rc == 0)
                t->rc = pg_maintenance_forget(pg, FORGET("forget_steps(now() - interval '7 days')"), t);
        if (t->rc == 0)
                t->rc = pg_maintenance_forget(pg, FORGET("forget_inbox(now() - interval '30 days')"), t);
        if (t->rc == 0)
                t->rc = pg_maintenance_forget(pg, FORGET("forget_once(now() - interval '24 hours')"), t);
        if (pg)
                PQfinish(pg);
}

static void pg_maintenance_answer(struct pg_maintenance *t, enum store_result result)
{
        store_done *done = t->done;

        t->done = NULL;
        if (done)
                done(result, bytes_of(NULL, 0), result == STORE_DONE ? NULL : &t->why, t->arg);
}

static void pg_maintenance_done(void *arg)
{
        struct pg_maintenance *t = arg;
        struct pg_store *s = t->store;

        s->maintenance = NULL;
        pg_maintenance_answer(t, t->rc == 0 ? STORE_DONE : STORE_REFUSED);
        free(t);
        store_drop(s);
}

/* The store was closed meanwhile. */
static void pg_maintenance_unwanted(void *arg)
{
        struct pg_maintenance *t = arg;
        struct pg_store *s = t->store;

        free(t);
        store_drop(s);
}

void pg_maintenance_give_up(struct pg_store *s)
{
        struct pg_maintenance *t = s->maintenance;

        if (!t)
                return;
        s->maintenance = NULL;
        (void)!write(s->maintain_cancel, &(uint64_t){ 1 }, sizeof(uint64_t));
        work_abandon(t->work, GIVE_UP_MS);
        problem_set(&t->why, "store", "closed", "the store was closed");
        pg_maintenance_answer(t, STORE_CLOSED);
}

void pg_maintain(struct store *store, store_done *done, void *arg)
{
        static const struct work_calls calls = { pg_maintenance_run, pg_maintenance_done, pg_maintenance_unwanted };
        struct pg_store *s = pg_of(store);
        struct pg_maintenance *t = s->closing || s->maintenance ? NULL : calloc(1, sizeof(*t));
        struct problem why;

        if (t) {
                *t = (struct pg_maintenance){ .store = s, .done = done, .arg = arg };
                store_hold(s);
                if (work_start(&t->work, s->config.loop, &calls, t) == 0) {
                        s->maintenance = t;
                        return;
                }
                pg_maintenance_unwanted(t);
        }
        problem_set(&why, "store", "not_begun", "the store's maintenance could not be begun");
        done(s->closing ? STORE_CLOSED : s->maintenance ? STORE_ALREADY : STORE_STARVED, bytes_of(NULL, 0), &why, arg);
}
