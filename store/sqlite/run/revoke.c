/* SPDX-License-Identifier: Apache-2.0 */
/* revoke: a task that must never run, whether it is here already or not. */
#include "store/sqlite/lite.h"

struct revoke_call {
        struct lite_call call;
        const struct revocation *what;
};

static int revoke_job(const struct revocation *r, sqlite3 *db, int64_t now_us)
{
        struct query q = query_of(db, &lite_sql_revoke_job);
        int rc;

        query_text(&q, r->id);
        query_number(&q, now_us);
        rc = query_run(&q);
        if (rc != SQLITE_OK || !r->pipeline)
                return rc;
        q = query_of(db, &lite_sql_revoke_made);
        query_text(&q, r->id);
        query_text(&q, r->pipeline);
        query_number(&q, now_us);
        return query_run(&q);
}

static int lite_run_revoke(struct sqlite_work *work, sqlite3 *db)
{
        struct revoke_call *c = (struct revoke_call *)work;
        const struct revocation *r = c->what;
        const int64_t now_us = lite_now_us();
        struct query q = query_of(db, &lite_sql_revoke_task);
        int rc;

        c->call.scheduled_id = 0;
        query_text(&q, r->id);
        query_text(&q, r->root_id);
        query_text(&q, r->parent_id);
        query_text(&q, r->name);
        query_number(&q, now_us);
        query_text(&q, r->ours ? c->call.store->owner : "");
        rc = query_run(&q);
        c->call.result = rc == SQLITE_OK && sqlite3_changes(db) == 0 ? STORE_ALREADY : STORE_DONE;
        return rc == SQLITE_OK ? revoke_job(r, db, now_us) : rc;
}

static const char *revoke_about(const struct sqlite_work *work)
{
        return ((const struct revoke_call *)work)->what->id;
}

static const struct sqlite_verb revoke_verb = {
        .run = lite_run_revoke, .done = lite_stored, .name = "revoke", .about = revoke_about
};

void lite_revoke(struct store *s, const struct revocation *revocation, store_done *done, void *arg)
{
        struct revoke_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_stored(done, arg);
                return;
        }
        c->what = revocation;
        lite_call_start(&c->call, &revoke_verb);
}
