/* SPDX-License-Identifier: Apache-2.0 */
/* Following jobs: what happened to them is numbered when a follower first sees it; see store/postgres/schema/, where PostgreSQL's function says more. */
#include "store/sqlite/lite.h"

#include "store/job_cursor.h"

#include <stdlib.h>
#include <string.h>

struct followed {
        const char *id;
        int64_t after;
        bool unseen; /* something of this one is not numbered yet */
};

struct follow_call {
        struct lite_call call; /* its text: the answer */
        bool unseen;           /* something is not numbered yet */
        size_t count;
        struct followed follows[]; /* and their ids behind them */
};

static struct query marks_query(sqlite3 *db, const struct statement *sql, const char *id, bool events)
{
        struct query q = query_of(db, sql);

        query_text(&q, id);
        query_number(&q, events);
        query_number(&q, lite_now_us());
        return q;
}

static int look_unseen(struct follow_call *c, sqlite3 *db, struct followed *f)
{
        struct query q = marks_query(db, &lite_sql_follow_unseen, f->id, false);

        f->unseen = query_row(&q) && query_read_number(&q, 0);
        c->unseen = c->unseen || f->unseen;
        return query_end(&q);
}

/* The steps as they are numbered, of all of them. */
static int add_steps(struct follow_call *c, sqlite3 *db)
{
        struct answer steps = { 0 };
        int rc = SQLITE_OK;

        for (size_t i = 0; i < c->count && rc == SQLITE_OK; i++) {
                struct query q = query_of(db, &lite_sql_follow_steps);

                query_text(&q, c->follows[i].id);
                query_number(&q, c->follows[i].after);
                query_number(&q, JOB_FOLLOW_MOST);
                rc = lite_add_rows(&steps, answer_job_steps, 0, &q);
        }
        return lite_end_answer(&c->call.text, &steps, answer_job_steps, rc);
}

static int follow_run_look(struct sqlite_work *work, sqlite3 *db)
{
        struct follow_call *c = (struct follow_call *)work;
        int rc = SQLITE_OK;

        c->unseen = false;
        for (size_t i = 0; i < c->count && rc == SQLITE_OK; i++)
                rc = look_unseen(c, db, &c->follows[i]);
        return rc == SQLITE_OK && !c->unseen ? add_steps(c, db) : rc;
}

static int lite_run_number(struct sqlite_work *work, sqlite3 *db)
{
        struct follow_call *c = (struct follow_call *)work;
        int rc = SQLITE_OK;

        /* Nobody else can write meanwhile: only what is new is looked at. */
        for (size_t i = 0; i < c->count && rc == SQLITE_OK; i++) {
                struct query q;

                if (!c->follows[i].unseen)
                        continue;
                q = marks_query(db, &lite_sql_follow_number, c->follows[i].id, true);
                rc = query_run(&q);
        }
        return rc == SQLITE_OK ? add_steps(c, db) : rc;
}

/* Not waited for on the disk: what a power cut takes back is numbered anew, from the same rows. */
static const struct sqlite_verb number_verb = {
        .run = lite_run_number, .done = lite_read, .loose = true, .asks = true
};

/* Mostly there is nothing new, and then nothing is written. */
static void follow_looked(struct sqlite_work *work, enum sqlite_end end, const struct problem *why)
{
        struct follow_call *c = (struct follow_call *)work;

        if (end == SQLITE_END_COMMITTED && c->unseen && !c->call.store->closing)
                sqlite_do(c->call.store->file, work, &number_verb);
        else
                lite_read(work, end, why);
}

static const struct sqlite_verb look_verb = { .run = follow_run_look, .done = follow_looked, .reads = true };

void lite_job_follow(struct store *s, const struct job_follow *follows, size_t count, json_done *done, void *arg)
{
        size_t size = sizeof(struct follow_call) + count * sizeof(struct followed);
        struct follow_call *c;
        char *at;

        for (size_t i = 0; i < count; i++)
                size += strlen(follows[i].id) + 1;
        c = lite_call_new(lite_of(s), size, (void (*)(void))done, arg);
        if (!c) {
                lite_refuse_read(done, arg);
                return;
        }
        c->count = count;
        at = (char *)(c->follows + count);
        for (size_t i = 0; i < count; i++) {
                c->follows[i] = (struct followed){ .id = at, .after = follows[i].after };
                at = stpcpy(at, follows[i].id) + 1;
        }
        lite_call_start(&c->call, &look_verb);
}

bool lite_on_touched(struct store *s, void (*touched)(void *arg), void *arg)
{
        lite_of(s)->touched = touched;
        lite_of(s)->touched_arg = arg;
        return true;
}
