/* SPDX-License-Identifier: Apache-2.0 */
/* What was asked already by those who give their requests keys. */
#include "store/sqlite/lite.h"
#include "store/sqlite/statements.h"

#define ONCE_KEPT_US ((int64_t)24 * 3600 * 1000000)

/* ---- begin ---- */

struct lite_once_begin_call {
        struct lite_call call; /* its text: the answer */
        struct once_ask ask;
};

static int lite_run_once_begin(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_once_begin_call *c = (struct lite_once_begin_call *)work;
        const struct once_ask *ask = &c->ask;
        const int64_t now_us = lite_now_us();
        struct query q = query_of(db, &lite_sql_once_begin);
        int rc;

        buffer_reset(&c->call.text);
        query_text(&q, ask->key);
        query_text(&q, ask->fingerprint);
        query_text(&q, ask->job_id);
        query_text(&q, ask->token);
        query_number(&q, now_us);
        query_number(&q, (int64_t)ask->lease_ms * 1000);
        query_number(&q, now_us - ONCE_KEPT_US);
        rc = query_run(&q);
        if (rc != SQLITE_OK)
                return rc;
        q = query_of(db, &lite_sql_once_read);
        query_text(&q, ask->key);
        query_text(&q, ask->fingerprint);
        query_text(&q, ask->token);
        query_number(&q, now_us);
        return lite_add_row(&c->call.text, &q);
}

static const struct sqlite_verb once_begin_verb = { .run = lite_run_once_begin, .done = lite_read };

void lite_once_begin(struct store *s, const struct once_ask *ask, json_done *done, void *arg)
{
        struct lite_once_begin_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_read(done, arg);
                return;
        }
        c->ask = *ask;
        lite_call_start(&c->call, &once_begin_verb);
}

/* ---- settle ---- */

struct lite_once_settle_call {
        struct lite_call call;
        struct once_end end;
};

static int lite_run_once_settle(struct sqlite_work *work, sqlite3 *db)
{
        const struct once_end *end = &((struct lite_once_settle_call *)work)->end;
        struct query q = query_of(db, &lite_sql_once_settle);

        query_text(&q, end->key);
        query_text(&q, end->job_id);
        query_text(&q, end->token);
        query_number(&q, end->done);
        query_number(&q, lite_now_us());
        return query_run(&q);
}

static const struct sqlite_verb once_settle_verb = { .run = lite_run_once_settle, .done = lite_stored };

void lite_once_settle(struct store *s, const struct once_end *end, store_done *done, void *arg)
{
        struct lite_once_settle_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_stored(done, arg);
                return;
        }
        c->end = *end;
        lite_call_start(&c->call, &once_settle_verb);
}
