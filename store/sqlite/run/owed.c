/* SPDX-License-Identifier: Apache-2.0 */
/* Results owed: what is to be told of tasks that have ended, kept while the result backend is away. */
#include "store/sqlite/lite.h"

#include <string.h>

#define TAKEN_US 30000000 /* they are somebody's for that long: one that dies meanwhile leaves them to others */

struct owe_call {
        struct lite_call call;
        const struct owed_result *what;
};

struct owed_take_call {
        struct lite_call call; /* its text: the rows */
        int64_t limit;
};

struct owed_settle_call {
        struct lite_call call;
        size_t told, untold;
        int64_t ids[];
};

/* ---- owe ---- */

static int owe_run(struct sqlite_work *work, sqlite3 *db)
{
        struct owe_call *c = (struct owe_call *)work;
        const int64_t now_us = lite_now_us();
        struct query q = query_of(db, &lite_sql_owe);

        query_blob(&q, bytes_of(c->call.key, KEY_SIZE));
        query_number(&q, now_us);
        query_text(&q, c->what->task_id);
        query_text(&q, c->what->queue);
        query_blob(&q, c->what->properties);
        query_blob(&q, c->what->body);
        query_blob(&q, c->what->telling);
        query_number(&q, now_us + (int64_t)c->what->wait_ms * 1000);
        return query_run(&q);
}

static const struct sqlite_verb owe_verb = { .run = owe_run, .done = lite_stored, .name = "owed result" };

void lite_owe(struct store *s, const struct owed_result *owed, store_done *done, void *arg)
{
        struct owe_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_stored(done, arg);
                return;
        }
        c->what = owed;
        lite_call_start(&c->call, &owe_verb);
}

/* ---- take ---- */

static int owed_take_run(struct sqlite_work *work, sqlite3 *db)
{
        struct owed_take_call *c = (struct owed_take_call *)work;
        const int64_t now_us = lite_now_us();
        struct query q = query_of(db, &lite_sql_owed_take);

        query_number(&q, now_us);
        query_number(&q, now_us + TAKEN_US);
        query_number(&q, c->limit);
        return lite_answer(&c->call.text, &q);
}

static const struct sqlite_verb owed_take_verb = {
        .run = owed_take_run, .done = lite_read, .loose = true, .asks = true
};

void lite_owed_take(struct store *s, unsigned limit, json_done *done, void *arg)
{
        struct owed_take_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_read(done, arg);
                return;
        }
        c->limit = limit;
        lite_call_start(&c->call, &owed_take_verb);
}

/* ---- settle ---- */

static int owed_settle_run(struct sqlite_work *work, sqlite3 *db)
{
        struct owed_settle_call *c = (struct owed_settle_call *)work;
        int rc = SQLITE_OK;

        for (size_t i = 0; rc == SQLITE_OK && i < c->told + c->untold; i++) {
                struct query q = query_of(db, i < c->told ? &lite_sql_owed_told : &lite_sql_owed_untold);

                query_number(&q, c->ids[i]);
                rc = query_run(&q);
        }
        return rc;
}

/* A row that comes back after a power cut is told once more, which is harmless. */
static const struct sqlite_verb owed_settle_verb = { .run = owed_settle_run, .done = lite_stored, .loose = true };

void lite_owed_settle(struct store *s, const int64_t told[], size_t told_count, const int64_t untold[],
                      size_t untold_count, store_done *done, void *arg)
{
        const size_t size = sizeof(struct owed_settle_call) + (told_count + untold_count) * sizeof(int64_t);
        struct owed_settle_call *c = lite_call_new(lite_of(s), size, (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_stored(done, arg);
                return;
        }
        c->told = told_count;
        c->untold = untold_count;
        if (told_count)
                memcpy(c->ids, told, told_count * sizeof(int64_t));
        if (untold_count)
                memcpy(c->ids + told_count, untold, untold_count * sizeof(int64_t));
        lite_call_start(&c->call, &owed_settle_verb);
}
