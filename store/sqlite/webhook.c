/* SPDX-License-Identifier: Apache-2.0 */
/* Who is told when a job has ended. */
#include "store/webhook.h"

#include "store/sqlite/lite.h"
#include "store/sqlite/statements.h"

#include <stdlib.h>
#include <string.h>

#define WEBHOOK_KEPT_US ((int64_t)30 * 24 * 3600 * 1000000)

struct lite_webhook_call {
        struct lite_call call;              /* its text: the answer */
        char *id, *job, *url, *trace, *why; /* of list and resend: the first alone, which ones */
        enum webhook_end end;
        int64_t wait_us, limit;
        unsigned status;
};

static void clear_webhook(struct lite_call *call)
{
        struct lite_webhook_call *c = (struct lite_webhook_call *)call;

        free(c->id);
        free(c->job);
        free(c->url);
        free(c->trace);
        free(c->why);
}

static struct lite_webhook_call *lite_webhook_new(struct store *s, void (*done)(void), void *arg)
{
        struct lite_webhook_call *c = lite_call_new(lite_of(s), sizeof(*c), done, arg);

        if (c)
                c->call.clear = clear_webhook;
        return c;
}

/* ---- add ---- */

static int lite_run_webhook_add(struct sqlite_work *work, sqlite3 *db)
{
        const struct lite_webhook_call *c = (struct lite_webhook_call *)work;
        struct query q = query_of(db, &lite_sql_webhook_add);

        query_text(&q, c->id);
        query_text(&q, c->job);
        query_text(&q, c->url);
        query_text(&q, c->trace);
        query_number(&q, lite_now_us());
        return query_run(&q);
}

static const struct sqlite_verb webhook_add_verb = { .run = lite_run_webhook_add, .done = lite_stored };

void lite_webhook_add(struct store *s, const struct webhook_wish *wish, store_done *done, void *arg)
{
        struct lite_webhook_call *c = lite_webhook_new(s, (void (*)(void))done, arg);

        if (c) {
                c->id = strdup(wish->id);
                c->job = strdup(wish->job_id);
                c->url = strdup(wish->url);
                c->trace = strdup(wish->trace ? wish->trace : "");
        }
        if (c && c->id && c->job && c->url && c->trace) {
                lite_call_start(&c->call, &webhook_add_verb);
                return;
        }
        if (c)
                lite_call_free(&c->call);
        lite_refuse_stored(done, arg);
}

/* ---- take ---- */

static int lite_run_webhook_take(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_webhook_call *c = (struct lite_webhook_call *)work;
        const int64_t now_us = lite_now_us();
        struct query q = query_of(db, &lite_sql_webhook_owe);
        int rc;

        query_number(&q, now_us);
        query_number(&q, c->limit);
        rc = query_run(&q);
        if (rc != SQLITE_OK)
                return rc;
        q = query_of(db, &lite_sql_webhook_take);
        query_number(&q, now_us);
        query_number(&q, c->limit);
        query_number(&q, c->wait_us);
        return lite_answer(&c->call.text, &q);
}

static const struct sqlite_verb webhook_take_verb = { .run = lite_run_webhook_take, .done = lite_read };

void lite_webhook_take(struct store *s, unsigned limit, unsigned lease_ms, json_done *done, void *arg)
{
        struct lite_webhook_call *c = lite_webhook_new(s, (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_read(done, arg);
                return;
        }
        c->limit = limit;
        c->wait_us = (int64_t)lease_ms * 1000;
        lite_call_start(&c->call, &webhook_take_verb);
}

/* ---- settle ---- */

static int lite_run_webhook_settle(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_webhook_call *c = (struct lite_webhook_call *)work;
        const int64_t now_us = lite_now_us();
        struct query q = query_of(db, &lite_sql_webhook_settle);

        query_text(&q, c->id);
        query_text(&q, webhook_state(c->end));
        query_number(&q, now_us + c->wait_us);
        query_number(&q, c->status);
        query_text(&q, c->why);
        query_number(&q, now_us);
        return lite_answer(&c->call.text, &q);
}

static const struct sqlite_verb webhook_settle_verb = { .run = lite_run_webhook_settle, .done = lite_read };

void lite_webhook_settle(struct store *s, const struct webhook_try *what, json_done *done, void *arg)
{
        struct lite_webhook_call *c = lite_webhook_new(s, (void (*)(void))done, arg);

        if (c) {
                c->id = strdup(what->id);
                c->why = strdup(what->why);
                c->end = what->end;
                c->wait_us = what->wait_ms * 1000;
                c->status = what->status;
        }
        if (c && c->id && c->why) {
                lite_call_start(&c->call, &webhook_settle_verb);
                return;
        }
        if (c)
                lite_call_free(&c->call);
        lite_refuse_read(done, arg);
}

/* ---- list, resend, forget ---- */

static int lite_run_webhook_list(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_webhook_call *c = (struct lite_webhook_call *)work;
        struct query q = query_of(db, &lite_sql_webhook_list);

        query_text(&q, c->id);
        return lite_answer(&c->call.text, &q);
}

static int lite_run_webhook_resend(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_webhook_call *c = (struct lite_webhook_call *)work;
        struct query q = query_of(db, &lite_sql_webhook_resend);

        query_text(&q, c->id);
        query_number(&q, lite_now_us());
        return lite_answer(&c->call.text, &q);
}

static int lite_run_webhook_forget(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_webhook_call *c = (struct lite_webhook_call *)work;
        struct query q = query_of(db, &lite_sql_webhook_forget);
        int rc;

        query_number(&q, lite_now_us() - WEBHOOK_KEPT_US);
        rc = query_run(&q);
        return lite_answer_count(&c->call.text, sqlite3_changes(db), rc);
}

static const struct sqlite_verb webhook_list_verb = { .run = lite_run_webhook_list, .done = lite_read, .reads = true };
static const struct sqlite_verb webhook_resend_verb = { .run = lite_run_webhook_resend, .done = lite_read };
static const struct sqlite_verb webhook_forget_verb = { .run = lite_run_webhook_forget, .done = lite_read };

static void lite_webhook_ask(struct store *s, const struct sqlite_verb *verb, const char *which, json_done *done,
                             void *arg)
{
        struct lite_webhook_call *c = lite_webhook_new(s, (void (*)(void))done, arg);

        if (c)
                c->id = strdup(which);
        if (c && c->id) {
                lite_call_start(&c->call, verb);
                return;
        }
        if (c)
                lite_call_free(&c->call);
        lite_refuse_read(done, arg);
}

void lite_webhook_list(struct store *s, const char *which, json_done *done, void *arg)
{
        lite_webhook_ask(s, &webhook_list_verb, which, done, arg);
}

void lite_webhook_resend(struct store *s, const char *which, json_done *done, void *arg)
{
        lite_webhook_ask(s, &webhook_resend_verb, which, done, arg);
}

void lite_webhook_forget(struct store *s, json_done *done, void *arg)
{
        lite_webhook_ask(s, &webhook_forget_verb, "", done, arg);
}
