/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the outbox, the steps that were numbered for followers and what consumers acted on from growing for ever: what is old is deleted,
 * a chunk a transaction, so that nobody waits for it for long. */
#include "store/sqlite/lite.h"

#define KEEP_US  ((int64_t)7 * 24 * 3600 * 1000000)
#define INBOX_US ((int64_t)30 * 24 * 3600 * 1000000) /* that long it is known what consumers acted on */
#define ONCE_US  ((int64_t)24 * 3600 * 1000000)      /* … and what was asked with a key */
#define CHUNK    1000

struct lite_maintenance_call {
        struct lite_call call;
        bool more;
};

static void lite_maintenance_go_on(struct lite_maintenance_call *c);

/* A chunk of what is older than that. */
static int lite_maintenance_forget(struct lite_maintenance_call *c, sqlite3 *db, const struct statement *statement,
                                   int64_t before_us)
{
        struct query q = query_of(db, statement);
        int rc;

        query_number(&q, before_us);
        query_number(&q, CHUNK);
        rc = query_run(&q);
        c->more = c->more || (rc == SQLITE_OK && sqlite3_changes(db) >= CHUNK);
        return rc;
}

static int lite_run_maintenance(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_maintenance_call *c = (struct lite_maintenance_call *)work;
        struct query q = query_of(db, &lite_sql_outbox_old);
        int64_t before_us = lite_now_us() - KEEP_US, last = 0;
        unsigned count = 0;
        int rc;

        query_number(&q, CHUNK);
        while (query_row(&q) && query_read_number(&q, 1) < before_us) {
                last = query_read_number(&q, 0);
                count++;
        }
        c->more = count == CHUNK;
        rc = query_end(&q);
        if (rc == SQLITE_OK && count > 0) {
                q = query_of(db, &lite_sql_outbox_delete);
                query_number(&q, last);
                rc = query_run(&q);
        }
        if (rc == SQLITE_OK)
                rc = lite_maintenance_forget(c, db, &lite_sql_steps_forget, before_us);
        if (rc == SQLITE_OK)
                rc = lite_maintenance_forget(c, db, &lite_sql_inbox_forget, before_us + KEEP_US - INBOX_US);
        return rc == SQLITE_OK ? lite_maintenance_forget(c, db, &lite_sql_once_forget, before_us + KEEP_US - ONCE_US)
                               : rc;
}

static void lite_maintenance_done(struct sqlite_work *work, enum sqlite_end end, const struct problem *why)
{
        struct lite_maintenance_call *c = (struct lite_maintenance_call *)work;
        struct lite_store *s = c->call.store;

        if (end == SQLITE_END_COMMITTED && c->more && !s->closing) {
                lite_maintenance_go_on(c);
                return;
        }
        s->maintaining = false;
        lite_stored(work, end, why);
}

static const struct sqlite_verb maintenance_verb = {
        .run = lite_run_maintenance, .done = lite_maintenance_done, .loose = true, .asks = true
};

static void lite_maintenance_go_on(struct lite_maintenance_call *c)
{
        sqlite_do(c->call.store->file, &c->call.work, &maintenance_verb);
}

void lite_maintain(struct store *store, store_done *done, void *arg)
{
        struct lite_store *s = lite_of(store);
        struct lite_maintenance_call *c =
                s->maintaining ? NULL : lite_call_new(s, sizeof(*c), (void (*)(void))done, arg);

        if (!c) {
                if (s->maintaining)
                        done(STORE_ALREADY, bytes_of(NULL, 0), NULL, arg);
                else
                        lite_refuse_stored(done, arg);
                return;
        }
        s->maintaining = true;
        lite_call_start(&c->call, &maintenance_verb);
}
