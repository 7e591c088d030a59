/* SPDX-License-Identifier: Apache-2.0 */
/* fail and give_back: attempts that ended without a result. */
#include "store/sqlite/lite.h"

#include "core/json.h"

struct fail_call {
        struct lite_call call;
        const struct failure *what;
        struct buffer error, payload; /* JSON text with a NUL behind it; that of its event too */
};

struct give_back_call {
        struct lite_call call;
        const struct release_lease *what;
};

/* ---- fail ---- */

static int fail_task(const struct fail_call *c, sqlite3 *db, int64_t now_us, bool *counts)
{
        const struct failure *f = c->what;
        struct query q = query_of(db, &lite_sql_fail);
        int rc;

        query_text(&q, f->id);
        query_text(&q, f->root_id);
        query_text(&q, f->parent_id);
        query_text(&q, f->name ? f->name : "");
        query_text(&q, f->again ? "RETRY" : "FAILURE");
        query_number(&q, f->attempts);
        query_text(&q, (const char *)c->error.data);
        query_number(&q, f->tokens_in);
        query_number(&q, f->tokens_out);
        query_number(&q, f->cost_nano);
        query_number(&q, now_us);
        query_text(&q, c->call.store->owner);
        query_text(&q, f->again ? NULL : f->chord_part);
        query_number(&q, f->again && f->excused);
        rc = query_run(&q);
        *counts = rc == SQLITE_OK && sqlite3_changes(db) == 1;
        return rc;
}

static int fail_say_so(const struct fail_call *c, sqlite3 *db, int64_t now_us)
{
        const struct failure *f = c->what;
        const struct lite_event event = {
                .aggregate_type = f->aggregate_type,
                .aggregate_id = f->root_id,
                .type = f->event_type,
                .root_id = f->root_id,
                .task_id = f->id,
                .payload = (const char *)c->payload.data,
                .span_context = f->span_context,
        };

        return f->event_type ? lite_put_event(db, &event, now_us) : SQLITE_OK;
}

/* `fresh`: it is the task that fails, and not only what it leads to. A job that had failed already says nothing. */
static int fail_job(const struct fail_call *c, sqlite3 *db, int64_t now_us, bool fresh)
{
        const struct failure *f = c->what;
        struct query q = query_of(db, &lite_sql_fail_job);
        int rc;

        query_text(&q, f->root_id);
        query_text(&q, f->pipeline);
        query_text(&q, (const char *)c->error.data);
        query_number(&q, now_us);
        query_number(&q, fresh);
        rc = query_run(&q);
        return rc == SQLITE_OK && sqlite3_changes(db) == 1 ? fail_say_so(c, db, now_us) : rc;
}

static int has_succeeded(const struct failure *f, sqlite3 *db, bool *succeeded)
{
        struct query q = query_of(db, &lite_sql_fail_succeeded);

        query_text(&q, f->id);
        *succeeded = query_row(&q);
        return query_end(&q);
}

static int lite_run_fail(struct sqlite_work *work, sqlite3 *db)
{
        struct fail_call *c = (struct fail_call *)work;
        int64_t now_us = lite_now_us();
        bool counts, fresh;
        int rc;

        if (c->call.refused)
                return SQLITE_OK;
        rc = fail_task(c, db, now_us, &counts);
        fresh = counts;
        c->call.scheduled_id = 0;
        if (rc == SQLITE_OK && c->what->again)
                return counts ? lite_put_scheduled(&c->call, db, c->what->again) : SQLITE_OK;
        if (rc == SQLITE_OK && c->what->pipeline && !counts)
                rc = has_succeeded(c->what, db, &counts);
        return rc == SQLITE_OK && c->what->pipeline && counts ? fail_job(c, db, now_us, fresh) : rc;
}

static const char *fail_about(const struct sqlite_work *work)
{
        return ((const struct fail_call *)work)->what->id;
}

static const struct sqlite_verb fail_verb = {
        .run = lite_run_fail, .done = lite_stored, .name = "fail", .about = fail_about
};

static void fail_clear(struct lite_call *call)
{
        buffer_free(&((struct fail_call *)call)->error);
        buffer_free(&((struct fail_call *)call)->payload);
}

static bool fail_fill(struct fail_call *c)
{
        JSON_OWNED json_t *error = failure_error(c->what);

        lite_add_json(&c->error, error);
        if (c->what->event_type)
                lite_add_json(&c->payload, c->what->payload);
        return error && !c->error.failed && !c->payload.failed;
}

void lite_fail(struct store *s, const struct failure *failure, store_done *done, void *arg)
{
        struct fail_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_stored(done, arg);
                return;
        }
        c->what = failure;
        c->call.clear = fail_clear;
        if (!fail_fill(c)) {
                lite_call_free(&c->call);
                lite_refuse_stored(done, arg);
                return;
        }
        lite_call_start(&c->call, &fail_verb);
}

/* ---- give back ---- */

static int lite_run_give_back(struct sqlite_work *work, sqlite3 *db)
{
        struct give_back_call *c = (struct give_back_call *)work;
        struct query q = query_of(db, &lite_sql_give_back);
        int rc;

        query_text(&q, c->what->id);
        query_text(&q, c->call.store->owner);
        rc = query_run(&q);
        c->call.scheduled_id = 0;
        return rc == SQLITE_OK && c->what->again ? lite_put_scheduled(&c->call, db, c->what->again) : rc;
}

static const char *give_back_about(const struct sqlite_work *work)
{
        return ((const struct give_back_call *)work)->what->id;
}

static const struct sqlite_verb give_back_verb = {
        .run = lite_run_give_back, .done = lite_stored, .name = "give back", .about = give_back_about
};

void lite_give_back(struct store *s, const struct release_lease *release, store_done *done, void *arg)
{
        struct give_back_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_stored(done, arg);
                return;
        }
        c->what = release;
        lite_call_start(&c->call, &give_back_verb);
}
