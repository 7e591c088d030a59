/* SPDX-License-Identifier: Apache-2.0 */
/* schedule: messages that are published later. And hearing of those that others scheduled: the file only says that somebody
 * has changed it, so the rows that are newer than what is known here are looked for. */
#include "store/sqlite/lite.h"

#include <stdlib.h>

struct schedule_call {
        struct lite_call call;
        const struct scheduled *what;
};

struct look_call {
        struct lite_call call;
        int64_t seen_id, due_us;
};

int lite_put_scheduled(struct lite_call *call, sqlite3 *db, const struct scheduled *row)
{
        return lite_put_keyed(call, db, call->key, row);
}

int lite_put_keyed(struct lite_call *call, sqlite3 *db, const unsigned char key[KEY_SIZE], const struct scheduled *row)
{
        struct query q = query_of(db, &lite_sql_schedule);
        int rc;

        query_blob(&q, bytes_of(key, KEY_SIZE));
        query_number(&q, row->due_ms * 1000);
        query_number(&q, lite_now_us());
        query_text(&q, row->reason ? row->reason : "");
        query_text(&q, row->task_id);
        query_text(&q, row->message->exchange);
        query_text(&q, row->message->routing_key);
        query_blob(&q, row->message->properties);
        query_blob(&q, row->message->body);
        query_text(&q, row->root_id);
        rc = query_run(&q);
        if (rc == SQLITE_OK && sqlite3_changes(db) == 1)
                call->scheduled_id = sqlite3_last_insert_rowid(db);
        return rc;
}

static int lite_run_schedule(struct sqlite_work *work, sqlite3 *db)
{
        struct schedule_call *c = (struct schedule_call *)work;

        c->call.scheduled_id = 0;
        return lite_put_scheduled(&c->call, db, c->what);
}

static const struct sqlite_verb schedule_verb = { .run = lite_run_schedule, .done = lite_stored, .name = "schedule" };

void lite_schedule(struct store *s, const struct scheduled *scheduled, store_done *done, void *arg)
{
        struct schedule_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_stored(done, arg);
                return;
        }
        c->what = scheduled;
        lite_call_start(&c->call, &schedule_verb);
}

/* ---- what others scheduled ---- */

static int schedule_run_look(struct sqlite_work *work, sqlite3 *db)
{
        struct look_call *c = (struct look_call *)work;
        struct query q = query_of(db, &lite_sql_scheduled_look);

        query_number(&q, c->seen_id);
        if (query_row(&q) && query_read_number(&q, 0) > 0) {
                c->seen_id = query_read_number(&q, 0);
                c->due_us = query_read_number(&q, 1);
        }
        return query_end(&q);
}

static void schedule_looked(struct sqlite_work *work, enum sqlite_end end, const struct problem *why)
{
        struct look_call *c = (struct look_call *)work;
        struct lite_store *s = c->call.store;
        bool again = s->look_again;

        (void)why;
        s->looking = s->look_again = false;
        if (end == SQLITE_END_COMMITTED && c->seen_id > s->seen_id) {
                s->seen_id = c->seen_id;
                if (s->heard && !s->closing)
                        s->heard(c->due_us / 1000, s->heard_arg);
        }
        if (again)
                lite_look(s);
        lite_call_free(&c->call);
}

static const struct sqlite_verb look_verb = { .run = schedule_run_look, .done = schedule_looked, .reads = true };

void lite_look(struct lite_store *s)
{
        struct look_call *c;

        if (s->looking)
                s->look_again = true;
        if (!s->heard || s->looking || s->closing || !(c = lite_call_new(s, sizeof(*c), NULL, NULL)))
                return;
        s->looking = true;
        c->seen_id = s->seen_id;
        lite_call_start_unseen(&c->call, &look_verb);
}

void lite_on_scheduled(struct store *s, void (*heard)(int64_t due_ms, void *arg), void *arg)
{
        lite_of(s)->heard = heard;
        lite_of(s)->heard_arg = arg;
}
