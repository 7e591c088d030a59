/* SPDX-License-Identifier: Apache-2.0 */
/* What was asked already by those who give their requests keys, and who may ask. */
#include "store/sqlite/lite.h"
#include "store/sqlite/statements.h"

#include <stdlib.h>
#include <string.h>

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
        return lite_answer(&c->call.text, &q);
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

/* ---- who may ask ---- */

struct lite_key_call {
        struct lite_call call;             /* its text: the answer */
        char *id, *name, *digest, *scopes; /* of a revocation: the first alone, an id or a name */
        unsigned rate;
};

static void clear_key(struct lite_call *call)
{
        struct lite_key_call *c = (struct lite_key_call *)call;

        free(c->id);
        free(c->name);
        free(c->digest);
        free(c->scopes);
}

static int lite_run_key_add(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_key_call *c = (struct lite_key_call *)work;
        struct query q = query_of(db, &lite_sql_key_add);

        query_text(&q, c->id);
        query_text(&q, c->name);
        query_text(&q, c->digest);
        query_text(&q, c->scopes);
        query_number(&q, c->rate);
        query_number(&q, lite_now_us());
        const int rc = query_run(&q);

        return lite_answer_cells(&c->call.text, answer_id, &(struct cell){ .bytes = bytes_of_string(c->id) }, rc);
}

static int lite_run_key_list(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_call *c = (struct lite_call *)work;
        struct query q = query_of(db, &lite_sql_key_list);

        return lite_answer(&c->text, &q);
}

static int lite_run_key_revoke(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_key_call *c = (struct lite_key_call *)work;
        struct query q = query_of(db, &lite_sql_key_revoke);
        int rc;

        query_text(&q, c->id);
        query_number(&q, lite_now_us());
        rc = query_run(&q);
        if (rc != SQLITE_OK)
                return rc;
        q = query_of(db, &lite_sql_key_revoked);
        query_text(&q, c->id);
        return lite_answer(&c->call.text, &q);
}

static const struct sqlite_verb key_add_verb = { .run = lite_run_key_add, .done = lite_read };
static const struct sqlite_verb key_list_verb = { .run = lite_run_key_list, .done = lite_read, .reads = true };
static const struct sqlite_verb key_revoke_verb = { .run = lite_run_key_revoke, .done = lite_read };

void lite_key_add(struct store *s, const struct access_key *key, json_done *done, void *arg)
{
        struct lite_key_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_read(done, arg);
                return;
        }
        c->call.clear = clear_key;
        c->id = strdup(key->id);
        c->name = strdup(key->name);
        c->digest = strdup(key->digest);
        c->scopes = strdup(key->scopes);
        c->rate = key->rate;
        if (c->id && c->name && c->digest && c->scopes) {
                lite_call_start(&c->call, &key_add_verb);
                return;
        }
        lite_call_free(&c->call);
        lite_refuse_read(done, arg);
}

void lite_key_list(struct store *s, json_done *done, void *arg)
{
        struct lite_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (c)
                lite_call_start(c, &key_list_verb);
        else
                lite_refuse_read(done, arg);
}

void lite_key_revoke(struct store *s, const char *which, json_done *done, void *arg)
{
        struct lite_key_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_read(done, arg);
                return;
        }
        c->call.clear = clear_key;
        c->id = strdup(which);
        if (c->id) {
                lite_call_start(&c->call, &key_revoke_verb);
                return;
        }
        lite_call_free(&c->call);
        lite_refuse_read(done, arg);
}
