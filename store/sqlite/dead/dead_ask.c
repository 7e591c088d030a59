/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters: groups, counts, what was done, figures, alarms: each answers with one JSON value. */
#include "store/sqlite/dead/dead.h"

#include <stdlib.h>

#define MINUTE_US ((int64_t)60 * 1000000)

/* ---- groups, count, history ---- */

static int lite_run_groups(struct sqlite_work *work, sqlite3 *db)
{
        struct dead_call *c = (struct dead_call *)work;
        struct query q = query_of(db, &lite_sql_dead_groups);

        dead_bind_filter(&q, c);
        query_number(&q, c->query.limit);
        return lite_answer(&c->call.text, &q);
}

static int lite_run_count(struct sqlite_work *work, sqlite3 *db)
{
        struct dead_call *c = (struct dead_call *)work;
        struct query q = query_of(db, &lite_sql_dead_count);

        dead_bind_filter(&q, c);
        return lite_answer(&c->call.text, &q);
}

static int lite_run_history(struct sqlite_work *work, sqlite3 *db)
{
        struct dead_call *c = (struct dead_call *)work;
        struct query q = query_of(db, &lite_sql_dead_history);

        query_number(&q, c->entry);
        return lite_answer(&c->call.text, &q);
}

/* ---- stats ---- */

static void dead_ask_recent(struct query *q, const void *arg)
{
        const int64_t now_us = lite_now_us();

        (void)arg;
        query_number(q, now_us);
        query_number(q, now_us - 60 * MINUTE_US);
        query_number(q, now_us - 5 * MINUTE_US);
        query_number(q, now_us - MINUTE_US);
}

static int lite_run_stats(struct sqlite_work *work, sqlite3 *db)
{
        static const struct statement *const parts[] = { &lite_sql_dead_totals, &lite_sql_dead_rates };
        struct dead_call *c = (struct dead_call *)work;

        return lite_answer_parts(&c->call.text, db, answer_dead_figures, parts, dead_ask_recent, NULL);
}

/* ---- alarms ---- */

struct given {
        struct given *next;
        char *group;
};

static int dead_read_due(struct dead_call *c, sqlite3 *db, int64_t now_us, struct given **given)
{
        struct query q = query_of(db, &lite_sql_dead_due);
        struct answer answer = { 0 };
        bool ok = true;

        query_number(&q, now_us);
        query_number(&q, c->alarm.growth);
        query_number(&q, c->alarm.least);
        query_number(&q, c->alarm.quiet_ms * 1000);
        query_number(&q, c->alarm.limit);
        query_number(&q, c->alarm.factor);
        while (ok && query_row(&q)) {
                struct given *one = arena_alloc(&c->read, sizeof(*one));

                answer_add(&answer, q.gives, 0, query_read_cell, &q);
                ok = one && (one->group = arena_string(&c->read, query_read_text(&q, 0)));
                if (ok) {
                        one->next = *given;
                        *given = one;
                }
        }
        const int rc = query_end(&q);

        return lite_end_answer(&c->call.text, &answer, q.gives, ok ? rc : SQLITE_NOMEM);
}

static int dead_ask_give(const struct given *one, sqlite3 *db, int64_t at_us)
{
        struct query q = query_of(db, &lite_sql_dead_given);

        query_text(&q, one->group);
        query_number(&q, at_us);
        return query_run(&q);
}

static int lite_run_alarms(struct sqlite_work *work, sqlite3 *db)
{
        struct dead_call *c = (struct dead_call *)work;
        struct query q = query_of(db, &lite_sql_dead_gone);
        int64_t now_us = lite_now_us();
        struct given *given = NULL;
        int rc = query_run(&q);

        arena_free(&c->read);
        buffer_reset(&c->call.text);
        if (rc == SQLITE_OK)
                rc = dead_read_due(c, db, now_us, &given);
        for (; rc == SQLITE_OK && given; given = given->next)
                rc = dead_ask_give(given, db, now_us + c->alarm.lease_ms * 1000);
        return rc;
}

static int lite_run_told(struct sqlite_work *work, sqlite3 *db)
{
        struct dead_call *c = (struct dead_call *)work;
        struct query q = query_of(db, &lite_sql_dead_told);

        query_text(&q, c->query.filter.text);
        query_number(&q, c->told);
        query_number(&q, lite_now_us());
        const int rc = query_run(&q);

        return lite_answer_count(&c->call.text, sqlite3_changes(db), rc);
}

/* ---- on the loop thread ---- */

static const struct sqlite_verb groups_verb = { .run = lite_run_groups, .done = lite_read, .reads = true };
static const struct sqlite_verb count_verb = { .run = lite_run_count, .done = lite_read, .reads = true };
static const struct sqlite_verb history_verb = { .run = lite_run_history, .done = lite_read, .reads = true };
static const struct sqlite_verb stats_verb = { .run = lite_run_stats, .done = lite_read, .reads = true };
static const struct sqlite_verb alarms_verb = { .run = lite_run_alarms, .done = lite_read, .asks = true };
static const struct sqlite_verb told_verb = { .run = lite_run_told, .done = lite_read, .asks = true };

/* A call for an answer in JSON; NULL when memory ran out, and then it was refused. */
static struct dead_call *dead_ask(struct store *s, const struct dead_filter *filter, json_done *done, void *arg)
{
        static const struct dead_filter all = { 0 };
        struct dead_call *c = dead_call_new(lite_of(s), filter ? filter : &all, (void (*)(void))done, arg);

        if (!c)
                lite_refuse_read(done, arg);
        return c;
}

void lite_dead_groups(struct store *s, const struct dead_filter *filter, unsigned limit, json_done *done, void *arg)
{
        struct dead_call *c = dead_ask(s, filter, done, arg);

        if (!c)
                return;
        c->query.limit = limit;
        lite_call_start(&c->call, &groups_verb);
}

void lite_dead_count(struct store *s, const struct dead_filter *filter, json_done *done, void *arg)
{
        struct dead_call *c = dead_ask(s, filter, done, arg);

        if (c)
                lite_call_start(&c->call, &count_verb);
}

void lite_dead_history(struct store *s, int64_t entry, json_done *done, void *arg)
{
        struct dead_call *c = dead_ask(s, NULL, done, arg);

        if (!c)
                return;
        c->entry = entry;
        lite_call_start(&c->call, &history_verb);
}

void lite_dead_stats(struct store *s, json_done *done, void *arg)
{
        struct dead_call *c = dead_ask(s, NULL, done, arg);

        if (c)
                lite_call_start(&c->call, &stats_verb);
}

void lite_dead_alarms(struct store *s, const struct dead_alarm_query *query, json_done *done, void *arg)
{
        struct dead_call *c = dead_ask(s, NULL, done, arg);

        if (!c)
                return;
        c->alarm = *query;
        lite_call_start(&c->call, &alarms_verb);
}

void lite_dead_alarms_told(struct store *s, const json_t *groups, bool told, json_done *done, void *arg)
{
        char *text = json_dumps(groups, JSON_COMPACT);
        struct dead_call *c = dead_ask(s, &(struct dead_filter){ .text = text ? text : "[]" }, done, arg);

        free(text);
        if (!c)
                return;
        c->told = told;
        lite_call_start(&c->call, &told_verb);
}
