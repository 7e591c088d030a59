/* SPDX-License-Identifier: Apache-2.0 */
/* revoke: a task that must never run, whether it is here already or not. */
#include "store/sqlite/lite.h"

struct revoke_call {
        struct lite_call call;
        const struct revocation *what;
};

/* One that runs under somebody's lease stays his, one that has ended stays as it is. A row made before the message came
 * learns from it whose it is. */
static const char task_sql[] =
        "insert into task (id, root_id, parent_id, name, state, finished_at, created_at)"
        " values (?1, ?2, ?3, ?4, 'REVOKED', ?5, ?5)"
        " on conflict (id) do update set state = 'REVOKED', lease_owner = null, lease_until = null,"
        "  finished_at = coalesce(finished_at, ?5), root_id = case when name = '' then excluded.root_id else root_id end,"
        "  parent_id = coalesce(parent_id, excluded.parent_id),"
        "  name = case when name = '' then excluded.name else name end"
        " where state in ('PENDING', 'RETRY', 'REVOKED')"
        "  or (state = 'STARTED' and (lease_owner is null or lease_until <= ?5 or lease_owner = ?6))";

/* Its job ends with it. */
static const char job_sql[] = "update job set state = 'REVOKED', finished_at = ?2, updated_at = ?2"
                              " where root_id = (select root_id from task where id = ?1 and state = 'REVOKED')"
                              "  and state in ('PENDING', 'STARTED', 'RETRY')";

static const char made_sql[] =
        "insert into job (root_id, pipeline, state, created_at, updated_at, finished_at)"
        " select root_id, ?2, 'REVOKED', ?3, ?3, ?3 from task where id = ?1 and state = 'REVOKED'"
        " on conflict (root_id) do nothing";

static int revoke_job(const struct revocation *r, sqlite3 *db, int64_t now_us)
{
        struct query q = query_of(db, job_sql);
        int rc;

        query_text(&q, r->id);
        query_number(&q, now_us);
        rc = query_run(&q);
        if (rc != SQLITE_OK || !r->pipeline)
                return rc;
        q = query_of(db, made_sql);
        query_text(&q, r->id);
        query_text(&q, r->pipeline);
        query_number(&q, now_us);
        return query_run(&q);
}

static int run_revoke(struct sqlite_work *work, sqlite3 *db)
{
        struct revoke_call *c = (struct revoke_call *)work;
        const struct revocation *r = c->what;
        const int64_t now_us = lite_now_us();
        struct query q = query_of(db, task_sql);
        int rc;

        c->call.scheduled_id = 0;
        query_text(&q, r->id);
        query_text(&q, r->root_id);
        query_text(&q, r->parent_id);
        query_text(&q, r->name);
        query_number(&q, now_us);
        query_text(&q, r->ours ? c->call.store->owner : "");
        rc = query_run(&q);
        return rc == SQLITE_OK ? revoke_job(r, db, now_us) : rc;
}

static const char *revoke_about(const struct sqlite_work *work)
{
        return ((const struct revoke_call *)work)->what->id;
}

static const struct sqlite_verb revoke_verb = {
        .run = run_revoke, .done = lite_stored, .name = "revoke", .about = revoke_about
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
