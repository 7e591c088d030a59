/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures that messages only name. */
#include "store/blob.h"

#include "store/sqlite/lite.h"
#include "store/sqlite/statements.h"

#include <errno.h>
#include <string.h>

#define BLOB_USED_US ((int64_t)3600 * 1000000) /* who reads one says that it is used only so often */

/* ---- put ---- */

struct lite_blob_call {
        struct lite_call call; /* its text: the content, or the answer */
        union {
                const struct blob *blob;
                const struct blob_touch *touch;
                char digest[BLOB_DIGEST_SIZE];
                int64_t before_us;
        } of;
        bool found;
};

static struct lite_blob_call *lite_blob_new(struct store *s, void (*done)(void), void *arg)
{
        return lite_call_new(lite_of(s), sizeof(struct lite_blob_call), done, arg);
}

static int lite_run_blob_put(struct sqlite_work *work, sqlite3 *db)
{
        const struct blob *blob = ((struct lite_blob_call *)work)->of.blob;
        struct query q = query_of(db, &lite_sql_blob_put);

        query_text(&q, blob->digest);
        query_text(&q, blob->type);
        query_blob(&q, blob->content);
        query_number(&q, lite_now_us());
        return query_run(&q);
}

static const struct sqlite_verb blob_put_verb = { .run = lite_run_blob_put, .done = lite_stored };

void lite_blob_put(struct store *s, const struct blob *blob, store_done *done, void *arg)
{
        struct lite_blob_call *c = lite_blob_new(s, (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_stored(done, arg);
                return;
        }
        c->of.blob = blob;
        lite_call_start(&c->call, &blob_put_verb);
}

/* ---- get ---- */

static int lite_use_blob(sqlite3 *db, const char *digest, int64_t now_us, int64_t before_us)
{
        struct query q = query_of(db, &lite_sql_blob_use);

        query_text(&q, digest);
        query_number(&q, now_us);
        query_number(&q, before_us);
        return query_run(&q);
}

static int lite_run_blob_get(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_blob_call *c = (struct lite_blob_call *)work;
        const int64_t now_us = lite_now_us();
        struct query q = query_of(db, &lite_sql_blob_get);

        buffer_reset(&c->call.text);
        query_text(&q, c->of.digest);
        c->found = query_row(&q);
        if (c->found) {
                const struct bytes content = query_read_bytes(&q, 0);

                buffer_add(&c->call.text, content.data, content.size);
        }

        const int rc = query_end(&q);

        if (rc != SQLITE_OK || !c->found)
                return rc;
        return c->call.text.failed ? SQLITE_NOMEM : lite_use_blob(db, c->of.digest, now_us, now_us - BLOB_USED_US);
}

static void lite_blob_got(struct sqlite_work *work, enum sqlite_end end, const struct problem *said)
{
        struct lite_blob_call *c = (struct lite_blob_call *)work;
        store_done *done = (store_done *)c->call.done;
        struct problem why;
        enum store_result result = STORE_DONE;

        end = lite_call_end(&c->call, end);
        if (end == SQLITE_END_CLOSED || end == SQLITE_END_REFUSED)
                result = end == SQLITE_END_CLOSED ? STORE_CLOSED : STORE_REFUSED;
        lite_why(&c->call, end, said, &why);
        done(result, result == STORE_DONE && c->found ? buffer_view(&c->call.text) : bytes_of(NULL, 0),
             result == STORE_DONE ? NULL : &why, c->call.arg);
        lite_call_free(&c->call);
}

static const struct sqlite_verb blob_get_verb = { .run = lite_run_blob_get, .done = lite_blob_got };

void lite_blob_get(struct store *s, const char *digest, store_done *done, void *arg)
{
        struct lite_blob_call *c = lite_blob_new(s, (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_stored(done, arg);
                return;
        }
        strncpy(c->of.digest, digest, BLOB_DIGEST_SIZE - 1);
        lite_call_start(&c->call, &blob_get_verb);
}

/* ---- touch ---- */

static int lite_run_blob_touch(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_blob_call *c = (struct lite_blob_call *)work;
        const struct blob_touch *touch = c->of.touch;
        const int64_t now_us = lite_now_us();
        struct answer missing = { 0 };
        int rc = SQLITE_OK;

        for (size_t i = 0; i < touch->count && rc == SQLITE_OK; i++) {
                struct cell cell = { .bytes = bytes_of_string(touch->digests[i]) };

                rc = lite_use_blob(db, touch->digests[i], now_us, INT64_MAX);
                if (rc == SQLITE_OK && sqlite3_changes(db) == 0)
                        answer_add(&missing, answer_missing, 0, shape_read_cells, &cell);
        }
        return lite_end_answer(&c->call.text, &missing, answer_missing, rc);
}

static const struct sqlite_verb blob_touch_verb = { .run = lite_run_blob_touch, .done = lite_read };

void lite_blob_touch(struct store *s, const struct blob_touch *touch, json_done *done, void *arg)
{
        struct lite_blob_call *c = lite_blob_new(s, (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_read(done, arg);
                return;
        }
        c->of.touch = touch;
        lite_call_start(&c->call, &blob_touch_verb);
}

/* ---- forget ---- */

static int lite_run_blob_forget(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_blob_call *c = (struct lite_blob_call *)work;
        struct query q = query_of(db, &lite_sql_blob_forget);

        query_number(&q, c->of.before_us);

        const int rc = query_run(&q);

        return lite_answer_count(&c->call.text, sqlite3_changes(db), rc);
}

static const struct sqlite_verb blob_forget_verb = { .run = lite_run_blob_forget, .done = lite_read };

void lite_blob_forget(struct store *s, uint64_t unused_ms, json_done *done, void *arg)
{
        struct lite_blob_call *c = lite_blob_new(s, (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_read(done, arg);
                return;
        }
        c->of.before_us = lite_now_us() - (int64_t)unused_ms * 1000;
        lite_call_start(&c->call, &blob_forget_verb);
}
