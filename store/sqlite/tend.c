/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the outbox, the steps that were numbered for followers and what consumers acted on from growing for ever: a few times a day a heartbeat deletes
 * what is old, a chunk a transaction, so that nobody waits for it for long. */
#include "store/sqlite/lite.h"

#include "core/clock.h"

#define EVERY_MS (6u * 3600 * 1000)
#define KEEP_US  ((int64_t)7 * 24 * 3600 * 1000000)
#define INBOX_US ((int64_t)30 * 24 * 3600 * 1000000) /* that long it is known what consumers acted on */
#define CHUNK    1000

struct tend_call {
        struct lite_call call;
        bool more;
};

/* A chunk of what is older than that. */
static int lite_tend_forget(struct tend_call *c, sqlite3 *db, const struct statement *statement, int64_t before_us)
{
        struct query q = query_of(db, statement);
        int rc;

        query_number(&q, before_us);
        query_number(&q, CHUNK);
        rc = query_run(&q);
        c->more = c->more || (rc == SQLITE_OK && sqlite3_changes(db) >= CHUNK);
        return rc;
}

static int run_tend(struct sqlite_work *work, sqlite3 *db)
{
        struct tend_call *c = (struct tend_call *)work;
        struct query q = query_of(db, &lite_sql_tend_old);
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
                q = query_of(db, &lite_sql_tend_delete);
                query_number(&q, last);
                rc = query_run(&q);
        }
        if (rc == SQLITE_OK)
                rc = lite_tend_forget(c, db, &lite_sql_tend_forget, before_us);
        return rc == SQLITE_OK ? lite_tend_forget(c, db, &lite_sql_inbox_forget, before_us + KEEP_US - INBOX_US) : rc;
}

static void lite_tend_tended(struct sqlite_work *work, enum sqlite_end end, const struct problem *why)
{
        struct tend_call *c = (struct tend_call *)work;
        struct lite_store *s = c->call.store;

        (void)why;
        if (end == SQLITE_END_COMMITTED && c->more)
                s->tend_at_ms = 0;
        if (end == SQLITE_END_COMMITTED && c->more && !s->closing)
                lite_tend(s);
        lite_call_free(&c->call);
}

static const struct sqlite_verb verb = { .run = run_tend, .done = lite_tend_tended, .loose = true, .asks = true };

void lite_tend(struct lite_store *s)
{
        uint64_t now = clock_mono_ms();
        struct tend_call *c;

        if (s->closing || now < s->tend_at_ms || !(c = lite_call_new(s, sizeof(*c), NULL, NULL)))
                return;
        s->tend_at_ms = now + EVERY_MS;
        lite_call_start_unseen(&c->call, &verb);
}
