/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters: groups, counts, what was done, figures, alarms: each answers with one JSON value. */
#include "store/sqlite/dead.h"

#include <stdlib.h>

#define MINUTE_US ((int64_t)60 * 1000000)

/* Figures of each group g, and what is said of it from its latest entry l. */
#define GROUP_FIGURES                                                                                               \
        " select group_id, count(*) as count, sum(edited) as edited, count(distinct nullif(user_id, '')) as users," \
        "  min(died_at) as first, max(died_at) as last, max(entry) as entry from dead_letter"
#define GROUP_PAIRS                                                                                                                    \
        "'group', g.group_id, 'name', l.name, 'queue', l.queue, 'source', l.error_source, 'code', l.error_code,"                       \
        " 'cause', l.cause, 'verdict', l.verdict, 'message', l.error_message, 'count', g.count, 'entry', g.entry, 'edited', g.edited," \
        " 'users', g.users, 'first_died_at', g.first / 1000, 'last_died_at', g.last / 1000"

static const char groups_sql[] =
        "with g as materialized (" GROUP_FIGURES " where" DEAD_FILTER
        "  group by group_id order by count(*) desc, group_id limit ?16)"
        " select json_object(" GROUP_PAIRS ") from g cross join dead_letter l on l.entry = g.entry"
        " order by g.count desc, g.group_id";

static const char count_sql[] =
        "select json_object('count', count(*), 'upto', coalesce(max(entry), 0), 'edited', coalesce(sum(edited), 0))"
        " from dead_letter where" DEAD_FILTER;

static const char history_sql[] =
        "select json_object('at', a.at / 1000, 'action', a.action, 'who', a.who, 'reason', a.reason, 'scope', a.scope,"
        "  'operation', a.operation, 'count', a.entries)"
        " from dead_letter_act c join dead_letter_audit a on a.id = c.audit where c.entry = ?1 order by a.id";

/* What is kept, and what went within the hour (?2, five minutes ?3, one ?4): what came within it is one of these. */
#define RECENT                                                                                                                  \
        "with e as materialized ("                                                                                              \
        "  select name, queue, error_code, group_id, state, died_at, kept_at, settled_at from dead_letter where state = 'kept'" \
        "  union all select name, queue, error_code, group_id, state, died_at, kept_at, settled_at from dead_letter"            \
        "   where settled_at > ?2 and state <> 'kept')"

static const char totals_sql[] =
        RECENT " select json_object('at', ?1 / 1000, 'kept', count(*), 'groups', count(distinct group_id),"
               "  'oldest_died_at', min(died_at) / 1000) from e where state = 'kept' and ?3 and ?4";

static const char rates_sql[] = RECENT
        " select json_object('name', name, 'queue', queue, 'code', error_code, 'kept', count(*) filter (where state = 'kept'),"
        "  'oldest_died_at', min(died_at) filter (where state = 'kept') / 1000,"
        "  'in_1m', count(*) filter (where kept_at > ?4), 'in_5m', count(*) filter (where kept_at > ?3),"
        "  'in_1h', count(*) filter (where kept_at > ?2),"
        "  'out_1m', count(*) filter (where settled_at > ?4), 'out_5m', count(*) filter (where settled_at > ?3),"
        "  'out_1h', count(*) filter (where settled_at > ?2))"
        " from e where ?1 group by name, queue, error_code"
        " order by count(*) filter (where state = 'kept') desc, name, queue, error_code";

/* A group that has gone is new when it comes again. */
static const char gone_sql[] = "delete from dead_letter_alarm where group_id not in"
                               " (select group_id from dead_letter where state = 'kept')";

/* Of now, growth, least, quiet, limit, factor. */
static const char due_sql[] =
        "with g as materialized (" GROUP_FIGURES " where state = 'kept' group by group_id)"
        " select json_object(" GROUP_PAIRS
        ", 'new', json(case when coalesce(a.entries, 0) = 0 then 'true' else 'false' end),"
        "  'before', coalesce(a.entries, 0)), g.group_id"
        " from g left join dead_letter_alarm a on a.group_id = g.group_id join dead_letter l on l.entry = g.entry"
        " where a.group_id is null"
        "  or (a.leased_until <= ?1 and (a.entries = 0 or (g.count >= a.entries + max(?3, a.entries * ?2 / 100)"
        "   and (a.at <= ?1 - ?4 or (?6 > 0 and g.count >= a.entries * ?6)))))"
        " order by g.count desc, g.group_id limit ?5";

/* Given to somebody: not due again before the lease ends. Until somebody was told of it its row has no entries. */
static const char given_sql[] =
        "insert into dead_letter_alarm (group_id, at, entries, leased_until) values (?1, 0, 0, ?2)"
        " on conflict (group_id) do update set leased_until = ?2";

/* Of groups, told, now. Nobody was told: it is due again at once. */
static const char told_sql[] =
        "update dead_letter_alarm set at = iif(?2, ?3, at), leased_until = 0, entries = iif(?2, g.count, entries)"
        " from (select value ->> 'group' as id, value ->> 'count' as count from json_each(?1)) g where group_id = g.id";

/* ---- groups, count, history ---- */

static int run_groups(struct sqlite_work *work, sqlite3 *db)
{
        struct dead_call *c = (struct dead_call *)work;
        struct query q = query_of(db, groups_sql);

        buffer_reset(&c->call.text);
        dead_bind_filter(&q, c);
        query_number(&q, c->query.limit);
        return lite_add_rows(&c->call.text, &q);
}

static int add_row(struct buffer *text, struct query *q)
{
        int rc;

        if (query_row(q)) {
                struct bytes row = query_read_bytes(q, 0);

                buffer_add(text, row.data, row.size);
        }
        rc = query_end(q);
        return rc == SQLITE_OK && text->failed ? SQLITE_NOMEM : rc;
}

static int run_count(struct sqlite_work *work, sqlite3 *db)
{
        struct dead_call *c = (struct dead_call *)work;
        struct query q = query_of(db, count_sql);

        buffer_reset(&c->call.text);
        dead_bind_filter(&q, c);
        return add_row(&c->call.text, &q);
}

static int run_history(struct sqlite_work *work, sqlite3 *db)
{
        struct dead_call *c = (struct dead_call *)work;
        struct query q = query_of(db, history_sql);

        buffer_reset(&c->call.text);
        query_number(&q, c->entry);
        return lite_add_rows(&c->call.text, &q);
}

/* ---- stats ---- */

static struct query recent(sqlite3 *db, const char *sql)
{
        struct query q = query_of(db, sql);
        int64_t now_us = lite_now_us();

        query_number(&q, now_us);
        query_number(&q, now_us - 60 * MINUTE_US);
        query_number(&q, now_us - 5 * MINUTE_US);
        query_number(&q, now_us - MINUTE_US);
        return q;
}

static int run_stats(struct sqlite_work *work, sqlite3 *db)
{
        struct dead_call *c = (struct dead_call *)work;
        struct buffer *text = &c->call.text;
        struct query q = recent(db, totals_sql);
        int rc;

        buffer_reset(text);
        rc = add_row(text, &q);
        if (rc != SQLITE_OK || text->size == 0)
                return rc;
        text->size--; /* the rows come before the closing brace */
        buffer_add_string(text, ",\"rows\":");
        q = recent(db, rates_sql);
        rc = lite_add_rows(text, &q);
        buffer_add_byte(text, '}');
        return rc == SQLITE_OK && text->failed ? SQLITE_NOMEM : rc;
}

/* ---- alarms ---- */

struct given {
        struct given *next;
        char *group;
};

static int read_due(struct dead_call *c, sqlite3 *db, int64_t now_us, struct given **given)
{
        struct query q = query_of(db, due_sql);
        const char *between = "[";
        int rc;

        query_number(&q, now_us);
        query_number(&q, c->alarm.growth);
        query_number(&q, c->alarm.least);
        query_number(&q, c->alarm.quiet_ms * 1000);
        query_number(&q, c->alarm.limit);
        query_number(&q, c->alarm.factor);
        for (; query_row(&q); between = ",") {
                struct bytes row = query_read_bytes(&q, 0);
                struct given *one = arena_alloc(&c->read, sizeof(*one));

                buffer_add_string(&c->call.text, between);
                buffer_add(&c->call.text, row.data, row.size);
                if (!one || !(one->group = arena_string(&c->read, query_read_text(&q, 1)))) {
                        query_end(&q);
                        return SQLITE_NOMEM;
                }
                one->next = *given;
                *given = one;
        }
        buffer_add_string(&c->call.text, *between == '[' ? "[]" : "]");
        rc = query_end(&q);
        return rc == SQLITE_OK && c->call.text.failed ? SQLITE_NOMEM : rc;
}

static int give(const struct given *one, sqlite3 *db, int64_t at_us)
{
        struct query q = query_of(db, given_sql);

        query_text(&q, one->group);
        query_number(&q, at_us);
        return query_run(&q);
}

static int run_alarms(struct sqlite_work *work, sqlite3 *db)
{
        struct dead_call *c = (struct dead_call *)work;
        struct query q = query_of(db, gone_sql);
        int64_t now_us = lite_now_us();
        struct given *given = NULL;
        int rc = query_run(&q);

        arena_free(&c->read);
        buffer_reset(&c->call.text);
        if (rc == SQLITE_OK)
                rc = read_due(c, db, now_us, &given);
        for (; rc == SQLITE_OK && given; given = given->next)
                rc = give(given, db, now_us + c->alarm.lease_ms * 1000);
        return rc;
}

static int run_told(struct sqlite_work *work, sqlite3 *db)
{
        struct dead_call *c = (struct dead_call *)work;
        struct query q = query_of(db, told_sql);

        buffer_reset(&c->call.text);
        query_text(&q, c->query.filter.text);
        query_number(&q, c->told);
        query_number(&q, lite_now_us());
        return query_run(&q);
}

/* ---- on the loop thread ---- */

static const struct sqlite_verb groups_verb = { .run = run_groups, .done = lite_read, .reads = true };
static const struct sqlite_verb count_verb = { .run = run_count, .done = lite_read, .reads = true };
static const struct sqlite_verb history_verb = { .run = run_history, .done = lite_read, .reads = true };
static const struct sqlite_verb stats_verb = { .run = run_stats, .done = lite_read, .reads = true };
static const struct sqlite_verb alarms_verb = { .run = run_alarms, .done = lite_read, .asks = true };
static const struct sqlite_verb told_verb = { .run = run_told, .done = lite_read, .asks = true };

/* A call for an answer in JSON; NULL when memory ran out, and then it was refused. */
static struct dead_call *ask(struct store *s, const struct dead_filter *filter, json_done *done, void *arg)
{
        static const struct dead_filter all = { 0 };
        struct dead_call *c = dead_call_new(lite_of(s), filter ? filter : &all, (void (*)(void))done, arg);

        if (!c)
                lite_refuse_read(done, arg);
        return c;
}

void lite_dead_groups(struct store *s, const struct dead_filter *filter, unsigned limit, json_done *done, void *arg)
{
        struct dead_call *c = ask(s, filter, done, arg);

        if (!c)
                return;
        c->query.limit = limit;
        lite_call_start(&c->call, &groups_verb);
}

void lite_dead_count(struct store *s, const struct dead_filter *filter, json_done *done, void *arg)
{
        struct dead_call *c = ask(s, filter, done, arg);

        if (c)
                lite_call_start(&c->call, &count_verb);
}

void lite_dead_history(struct store *s, int64_t entry, json_done *done, void *arg)
{
        struct dead_call *c = ask(s, NULL, done, arg);

        if (!c)
                return;
        c->entry = entry;
        lite_call_start(&c->call, &history_verb);
}

void lite_dead_stats(struct store *s, json_done *done, void *arg)
{
        struct dead_call *c = ask(s, NULL, done, arg);

        if (c)
                lite_call_start(&c->call, &stats_verb);
}

void lite_dead_alarms(struct store *s, const struct dead_alarm_query *query, json_done *done, void *arg)
{
        struct dead_call *c = ask(s, NULL, done, arg);

        if (!c)
                return;
        c->alarm = *query;
        lite_call_start(&c->call, &alarms_verb);
}

void lite_dead_alarms_told(struct store *s, const json_t *groups, bool told, json_done *done, void *arg)
{
        char *text = json_dumps(groups, JSON_COMPACT);
        struct dead_call *c = ask(s, &(struct dead_filter){ .text = text ? text : "[]" }, done, arg);

        free(text);
        if (!c)
                return;
        c->told = told;
        lite_call_start(&c->call, &told_verb);
}
