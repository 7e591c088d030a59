/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a job and a worker, and a worker's heartbeat. */
#include "store/sqlite/lite.h"

#include <stdio.h>
#include <stdlib.h>

struct lite_read_call {
        struct lite_call call; /* its text: the answer */
        char key[];
};

struct beat_call {
        struct lite_call call;
        char *state;
};

/* ---- job, worker ---- */

static void read_bind_key(struct query *q, const void *call)
{
        query_text(q, ((const struct lite_read_call *)call)->key);
}

static int lite_run_job(struct sqlite_work *work, sqlite3 *db)
{
        static const struct statement *const parts[] = { &lite_sql_job, &lite_sql_job_tasks, &lite_sql_job_events };
        struct lite_read_call *c = (struct lite_read_call *)work;

        return lite_answer_parts(&c->call.text, db, answer_job, parts, read_bind_key, c);
}

static int lite_run_job_trail(struct sqlite_work *work, sqlite3 *db)
{
        static const struct statement *const parts[] = { &lite_sql_trail_tasks, &lite_sql_trail_waiting,
                                                         &lite_sql_trail_dead, &lite_sql_trail_acts };
        struct lite_read_call *c = (struct lite_read_call *)work;

        return lite_answer_parts(&c->call.text, db, answer_trail, parts, read_bind_key, c);
}

static int lite_run_worker(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_read_call *c = (struct lite_read_call *)work;
        struct query q = query_of(db, &lite_sql_worker);

        query_number(&q, lite_now_us());
        query_text(&q, c->key);
        return lite_answer(&c->call.text, &q);
}

static int lite_run_workers(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_read_call *c = (struct lite_read_call *)work;
        struct query q = query_of(db, &lite_sql_workers);

        query_number(&q, lite_now_us());
        return lite_answer(&c->call.text, &q);
}

static int lite_run_upcoming(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_read_call *c = (struct lite_read_call *)work;
        struct query q = query_of(db, &lite_sql_upcoming);

        return lite_answer(&c->call.text, &q);
}

static int lite_run_chord_parts(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_read_call *c = (struct lite_read_call *)work;
        struct query q = query_of(db, &lite_sql_chord_parts);

        query_text(&q, c->key);
        return lite_answer(&c->call.text, &q);
}

static int lite_run_forget_workers(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_read_call *c = (struct lite_read_call *)work;
        const int64_t before_us = lite_now_us() - (int64_t)strtoll(c->key, NULL, 10) * 1000;
        struct query q = query_of(db, &lite_sql_silent_workers);
        int rc;

        query_number(&q, before_us);
        rc = lite_answer(&c->call.text, &q);
        if (rc != SQLITE_OK)
                return rc;
        q = query_of(db, &lite_sql_forget_workers);
        query_number(&q, before_us);
        return query_run(&q);
}

static const struct sqlite_verb forget_workers_verb = {
        .run = lite_run_forget_workers, .done = lite_read, .loose = true, .asks = true
};
static const struct sqlite_verb chord_parts_verb = { .run = lite_run_chord_parts, .done = lite_read, .reads = true };
static const struct sqlite_verb upcoming_verb = { .run = lite_run_upcoming, .done = lite_read, .reads = true };
static const struct sqlite_verb job_verb = { .run = lite_run_job, .done = lite_read, .reads = true };
static const struct sqlite_verb job_trail_verb = { .run = lite_run_job_trail, .done = lite_read, .reads = true };
static const struct sqlite_verb worker_verb = { .run = lite_run_worker, .done = lite_read, .reads = true };
static const struct sqlite_verb workers_verb = { .run = lite_run_workers, .done = lite_read, .reads = true };

static void read_start(struct store *s, const struct sqlite_verb *verb, const char *key, json_done *done, void *arg)
{
        size_t size = strlen(key) + 1;
        struct lite_read_call *c = lite_call_new(lite_of(s), sizeof(*c) + size, (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_read(done, arg);
                return;
        }
        memcpy(c->key, key, size);
        lite_call_start(&c->call, verb);
}

void lite_job(struct store *s, const char *root_id, json_done *done, void *arg)
{
        read_start(s, &job_verb, root_id, done, arg);
}

void lite_job_trail(struct store *s, const char *root_id, json_done *done, void *arg)
{
        read_start(s, &job_trail_verb, root_id, done, arg);
}

void lite_worker(struct store *s, const char *name, json_done *done, void *arg)
{
        read_start(s, &worker_verb, name, done, arg);
}

void lite_chord_parts(struct store *s, const char *group_id, json_done *done, void *arg)
{
        read_start(s, &chord_parts_verb, group_id, done, arg);
}

void lite_workers(struct store *s, json_done *done, void *arg)
{
        read_start(s, &workers_verb, "", done, arg);
}

void lite_forget_workers(struct store *s, uint64_t silent_ms, json_done *done, void *arg)
{
        char text[24];

        snprintf(text, sizeof(text), "%llu", (unsigned long long)silent_ms);
        read_start(s, &forget_workers_verb, text, done, arg);
}

/* ---- beat ---- */

static int lite_run_beat(struct sqlite_work *work, sqlite3 *db)
{
        struct beat_call *c = (struct beat_call *)work;
        struct query q = query_of(db, &lite_sql_beat);

        query_text(&q, c->call.store->owner);
        query_text(&q, c->state);
        query_number(&q, lite_now_us());
        return query_run(&q);
}

static const struct sqlite_verb beat_verb = { .run = lite_run_beat, .done = lite_stored, .loose = true, .asks = true };

static void clear_beat(struct lite_call *call)
{
        free(((struct beat_call *)call)->state);
}

void lite_beat(struct store *s, const json_t *state, store_done *done, void *arg)
{
        struct beat_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);
        char *text = json_dumps(state, JSON_COMPACT | JSON_ENCODE_ANY);

        if (!c || !text) {
                free(text);
                if (c)
                        lite_call_free(&c->call);
                lite_refuse_stored(done, arg);
                return;
        }
        c->state = text;
        c->call.clear = clear_beat;
        lite_call_start(&c->call, &beat_verb);
}

void lite_upcoming(struct store *s, json_done *done, void *arg)
{
        read_start(s, &upcoming_verb, "", done, arg);
}
