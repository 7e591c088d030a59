/* SPDX-License-Identifier: Apache-2.0 */
/* release and forget: due messages are locked and handed over, until those that the broker confirmed are forgotten. A lock
 * is an owner's name and a time; it is put off while the owner lives, and void soon after it died. */
#include "store/sqlite/lite.h"

#include <stdlib.h>

#define LOCK_US  10000000
#define RENEW_MS 3000
#define LATER_US 10000000 /* until what no queue took comes again */

struct lite_release_call {
        struct lite_call call;
        int64_t now_ms;
        unsigned limit;
        struct due *due;
        size_t count, capacity;
        int64_t next_us; /* 0 = none */
};

/* Rows by their ids: those that were confirmed, all that were locked, and those that no queue took. */
struct lite_forget_call {
        struct lite_call call;
        size_t count, locked, returned;
        int64_t ids[]; /* in this order */
};

static void lite_release_free_due(struct lite_release_call *c)
{
        for (size_t i = 0; i < c->count; i++)
                message_free(c->due[i].message);
        c->count = 0;
}

static void clear_release(struct lite_call *call)
{
        struct lite_release_call *c = (struct lite_release_call *)call;

        lite_release_free_due(c);
        free(c->due);
}

/* ---- release ---- */

static bool release_grow(struct lite_release_call *c)
{
        size_t capacity = c->capacity > 0 ? 2 * c->capacity : 16;
        struct due *grown;

        if (c->count < c->capacity)
                return true;
        grown = realloc(c->due, capacity * sizeof(*grown));
        if (!grown)
                return false;
        c->due = grown;
        c->capacity = capacity;
        return true;
}

static bool add_due(struct lite_release_call *c, struct query *q)
{
        struct due *due = release_grow(c) ? &c->due[c->count] : NULL;

        if (!due)
                return false;
        *due = (struct due){
                .id = query_read_number(q, 0),
                .due_ms = query_read_number(q, 1) / 1000,
                .returns = (unsigned)query_read_number(q, 6),
                .message = message_new(query_read_text(q, 2), query_read_text(q, 3), query_read_bytes(q, 4),
                                       query_read_bytes(q, 5)),
        };
        c->count += due->message != NULL;
        return due->message != NULL;
}

static int release_read_due(struct lite_release_call *c, sqlite3 *db, int64_t now_us)
{
        struct query q = query_of(db, &lite_sql_due);
        bool enough = true;
        int rc;

        query_number(&q, c->now_ms * 1000);
        query_number(&q, now_us);
        query_number(&q, c->limit);
        while (enough && query_row(&q))
                enough = add_due(c, &q);
        rc = query_end(&q);
        return rc == SQLITE_OK && !enough ? SQLITE_NOMEM : rc;
}

/* What locks, renews or puts off a row. */
static int lite_release_change(int64_t id, sqlite3 *db, const struct statement *sql, const char *owner, int64_t time_us)
{
        struct query q = query_of(db, sql);

        query_number(&q, id);
        query_text(&q, owner);
        query_number(&q, time_us);
        return query_run(&q);
}

static int read_earliest(sqlite3 *db, const struct statement *sql, int64_t due_us, int64_t now_us, int64_t *earliest_us)
{
        struct query q = query_of(db, sql);
        int64_t found_us = 0;

        query_number(&q, due_us);
        if (sql == &lite_sql_release_unlocked)
                query_number(&q, now_us);
        if (query_row(&q))
                found_us = query_read_number(&q, 0);
        if (found_us != 0 && (*earliest_us == 0 || found_us < *earliest_us))
                *earliest_us = found_us;
        return query_end(&q);
}

static int lite_run_release(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_release_call *c = (struct lite_release_call *)work;
        int64_t now_us = lite_now_us();
        int rc;

        lite_release_free_due(c);
        c->next_us = 0;
        rc = release_read_due(c, db, now_us);
        if (rc == SQLITE_OK)
                rc = read_earliest(db, &lite_sql_release_next, c->now_ms * 1000, now_us, &c->next_us);
        if (rc == SQLITE_OK && c->count < c->limit)
                rc = read_earliest(db, &lite_sql_release_unlocked, c->now_ms * 1000, now_us, &c->next_us);
        for (size_t i = 0; rc == SQLITE_OK && i < c->count; i++)
                rc = lite_release_change(c->due[i].id, db, &lite_sql_release_lock, c->call.store->owner,
                                         now_us + LOCK_US);
        return rc;
}

/* Remember what is locked, so that forget can put off what was not confirmed. */
static void lite_release_remember(struct lite_store *s, const struct lite_release_call *c)
{
        free(s->released);
        s->released = calloc(c->count + 1, sizeof(*s->released));
        s->released_count = s->released ? c->count : 0;
        for (size_t i = 0; i < s->released_count; i++)
                s->released[i] = c->due[i].id;
        if (c->count > 0)
                uv_timer_start(&s->renew, lite_renew, RENEW_MS, RENEW_MS);
}

static void lite_release_answer_release(struct sqlite_work *work, enum sqlite_end end, const struct problem *why)
{
        struct lite_release_call *c = (struct lite_release_call *)work;
        int64_t next_ms = (c->next_us + 999) / 1000;

        (void)why;
        end = lite_call_end(&c->call, end);
        if (end != SQLITE_END_COMMITTED) {
                lite_release_free_due(c);
                next_ms = end == SQLITE_END_CLOSED ? 0 : c->now_ms + 1000;
        } else {
                lite_release_remember(c->call.store, c);
                if (c->count == c->limit)
                        next_ms = c->now_ms;
        }
        ((release_done *)c->call.done)(c->due, c->count, next_ms, c->call.arg);
        lite_call_free(&c->call);
}

static const struct sqlite_verb release_verb = { .run = lite_run_release,
                                                 .done = lite_release_answer_release,
                                                 .loose = true };

void lite_release(struct store *s, int64_t now_ms, unsigned limit, release_done *done, void *arg)
{
        struct lite_release_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (!c) {
                done(NULL, 0, now_ms + 1000, arg);
                return;
        }
        c->call.clear = clear_release;
        c->now_ms = now_ms;
        c->limit = limit;
        lite_call_start(&c->call, &release_verb);
}

/* ---- forget, renew ---- */

static int lite_release_forget(int64_t id, sqlite3 *db)
{
        struct query q = query_of(db, &lite_sql_release_moved);
        int rc;

        query_number(&q, id);
        query_number(&q, lite_now_us());
        rc = query_run(&q);
        if (rc != SQLITE_OK)
                return rc;
        q = query_of(db, &lite_sql_release_forget);
        query_number(&q, id);
        return query_run(&q);
}

static int lite_run_forget(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_forget_call *c = (struct lite_forget_call *)work;
        const int64_t *locked = c->ids + c->count, *returned = locked + c->locked, later_us = lite_now_us() + LATER_US;
        const char *owner = c->call.store->owner;
        int rc = SQLITE_OK;

        for (size_t i = 0; rc == SQLITE_OK && i < c->count; i++)
                rc = lite_release_forget(c->ids[i], db);
        for (size_t i = 0; rc == SQLITE_OK && i < c->returned; i++)
                rc = lite_release_change(returned[i], db, &lite_sql_release_returned, owner, later_us);
        for (size_t i = 0; rc == SQLITE_OK && i < c->locked; i++)
                rc = lite_release_change(locked[i], db, &lite_sql_release_later, owner, later_us);
        return rc;
}

/* A forgotten row that comes back after a power cut is published again, which claims make harmless. */
static const struct sqlite_verb forget_verb = { .run = lite_run_forget, .done = lite_stored, .loose = true };

/* The locked ones are only looked at where not all of them were confirmed. */
static struct lite_forget_call *new_forget(struct lite_store *s, const struct forgetting *what, size_t locked,
                                           void (*done)(void), void *arg)
{
        const size_t count = what->confirmed_count, returned = what->returned_count;
        struct lite_forget_call *c =
                lite_call_new(s, sizeof(*c) + (count + locked + returned) * sizeof(int64_t), done, arg);

        if (!c)
                return NULL;
        c->count = count;
        c->locked = locked;
        c->returned = returned;
        if (count > 0)
                memcpy(c->ids, what->confirmed, count * sizeof(int64_t));
        if (returned > 0)
                memcpy(c->ids + count + locked, what->returned, returned * sizeof(int64_t));
        if (locked > 0)
                memcpy(c->ids + count, s->released, locked * sizeof(int64_t));
        return c;
}

void lite_forget(struct store *s, const struct forgetting *what, store_done *done, void *arg)
{
        struct lite_store *lite = lite_of(s);
        size_t locked = what->confirmed_count < lite->released_count ? lite->released_count : 0;
        struct lite_forget_call *c = new_forget(lite, what, locked, (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_stored(done, arg);
                return;
        }
        lite->released_count = 0;
        if (!lite->closing)
                uv_timer_stop(&lite->renew);
        lite_call_start(&c->call, &forget_verb);
}

static int lite_run_renew(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_forget_call *c = (struct lite_forget_call *)work;
        int64_t until_us = lite_now_us() + LOCK_US;
        int rc = SQLITE_OK;

        for (size_t i = 0; rc == SQLITE_OK && i < c->locked; i++)
                rc = lite_release_change(c->ids[i], db, &lite_sql_release_renew, c->call.store->owner, until_us);
        return rc;
}

static void lite_release_renewed(struct sqlite_work *work, enum sqlite_end end, const struct problem *why)
{
        struct lite_call *call = (struct lite_call *)work;

        (void)end;
        (void)why;
        call->store->renewing = false;
        lite_call_free(call);
}

static const struct sqlite_verb renew_verb = {
        .run = lite_run_renew, .done = lite_release_renewed, .loose = true, .asks = true
};

void lite_renew(uv_timer_t *timer)
{
        struct lite_store *s = timer->data;
        const struct forgetting none = { 0 };
        struct lite_forget_call *c = s->renewing ? NULL : new_forget(s, &none, s->released_count, NULL, NULL);

        if (!c)
                return;
        s->renewing = true;
        lite_call_start_unseen(&c->call, &renew_verb);
}

static int lite_release_unlock(int64_t id, sqlite3 *db, const char *owner)
{
        struct query q = query_of(db, &lite_sql_release_unlock);

        query_number(&q, id);
        query_text(&q, owner);
        return query_run(&q);
}

static int lite_run_unlock(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_forget_call *c = (struct lite_forget_call *)work;
        int rc = SQLITE_OK;

        for (size_t i = 0; rc == SQLITE_OK && i < c->locked; i++)
                rc = lite_release_unlock(c->ids[i], db, c->call.store->owner);
        return rc;
}

static const struct sqlite_verb unlock_verb = {
        .run = lite_run_unlock, .done = lite_release_renewed, .loose = true, .asks = true
};

void lite_unlock(struct lite_store *s)
{
        const struct forgetting none = { 0 };
        struct lite_forget_call *c = s->released_count > 0 ? new_forget(s, &none, s->released_count, NULL, NULL) : NULL;

        if (c)
                lite_call_start_unseen(&c->call, &unlock_verb);
}
