/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters: pages, groups, counts, what was done, figures, alarms. */
#include "store/postgres/dead.h"
#include "store/postgres/statements.h"

#include "core/json.h"

#include <stddef.h>
#include <stdlib.h>

#define MS(time) "floor(extract(epoch from " time ") * 1000)::int8"

/* ---- pages ---- */

/* Of the task of entry s: 1 a message of it is scheduled, 2 a task that follows it is known, 4 a worker that lives runs it. */
#define STANDING                                                                                                                  \
        "select case when (select w.id from chard.scheduled w where w.task_id = s.task_id limit 1) is not null then 1 else 0 end" \
        " + case when (select n.id from chard.task n where n.root_id = s.root_id and n.root_id <> n.id"                           \
        "   and n.parent_id = s.task_id limit 1) is not null then 2 else 0 end"                                                   \
        " + case when (select k.lease_until > now() and not exists (select from chard.worker w"                                   \
        "   where w.name = k.lease_owner and w.started_at > k.started_at) from chard.task k where k.id = s.task_id)"              \
        "   then 4 else 0 end"

/* What a page gives of an entry, the entries and their order taken from p (entry, n). */
#define PAGE                                                                                                                           \
        " d as materialized ("                                                                                                         \
        "  select p.n, l.*, octet_length(l.properties) + octet_length(l.body) + coalesce(octet_length(l.edited), 0) as size"           \
        "  from p, lateral (select * from chard.dead_letter x where x.entry = p.entry offset 0) l),"                                   \
        " s as (select d.*, sum(size) over (order by n) - size as before from d)"                                                      \
        " select entry, floor(extract(epoch from died_at) * 1000)::int8, floor(extract(epoch from kept_at) * 1000)::int8,"             \
        "  coalesce(floor(extract(epoch from settled_at) * 1000)::int8, 0), state, task_id, root_id, name, queue,"                     \
        "  error_source, error_code, error_message, group_id, cause, trace_id, user_id, worker, next_task, verdict, attempts, rounds," \
        "  octet_length(body)::int8,"                                                                                                  \
        "  case when $18::int8 & 2 = 0 then coalesce((select t.state from chard.task t where t.id = task_id), '') else '' end,"        \
        "  case when $18 & 2 = 0 then coalesce((select j.state from chard.job j where j.root_id = s.root_id), '') else '' end,"        \
        "  case when $18 & 2 = 0 and task_id <> '' then (" STANDING ")::int8 else 0::int8 end,"                                        \
        "  case when $18 & 1 = 1 then properties end, case when $18 & 1 = 1 then body end,"                                            \
        "  case when $18 & 1 = 1 or edited is null then edited else '' end,"                                                           \
        "  case when $18 & 1 = 1 then cardinality(acts) + 1 else 0 end::int8"                                                          \
        " from s where $18 & 1 = 0 or before < $19::int8 order by n"

/* $20: twice the sort, and one more when it descends. */
#define SORT_NUMBER " case $20::int8 >> 1 when 0 then entry when 1 then " MS("died_at") " when 5 then attempts end"
#define SORT_TEXT   " case $20::int8 >> 1 when 2 then name when 3 then error_code when 4 then queue end"
#define SORT                                                                                                        \
        " case when $20::int8 & 1 = 0 then" SORT_NUMBER " end, case when $20 & 1 = 1 then" SORT_NUMBER " end desc," \
        " case when $20 & 1 = 0 then" SORT_TEXT " end, case when $20 & 1 = 1 then" SORT_TEXT " end desc, entry"

/* Any filter, any order. */
const struct statement statement_dead_page = {
        "chard_dead_page", "with p as materialized ("
                           "  select entry, row_number() over (order by" SORT ") as n from chard.dead_letter"
                           "  where" DEAD_FILTER " order by n limit $16::int8 offset $17::int8)," PAGE
};

/* In the order of entries, from one on: what goes through all of them in batches. What is kept has an index of its own. */
#define ALONG(state)                                                                                   \
        "with p as materialized ("                                                                     \
        "  select entry, entry as n from chard.dead_letter where " state "entry > $13 and" DEAD_FILTER \
        "  order by entry limit $16::int8 offset $17::int8)," PAGE

const struct statement statement_dead_along = { "chard_dead_along", ALONG("") };

const struct statement statement_dead_along_kept = { "chard_dead_along_kept", ALONG("state = 'kept' and ") };

/* Named entries. */
const struct statement statement_dead_some = { "chard_dead_some",
                                               "with p as materialized ("
                                               "  select entry, row_number() over (order by" SORT
                                               ") as n from chard.dead_letter"
                                               "  where entry = any ($1) and" DEAD_FILTER
                                               " order by n limit $16::int8 offset $17::int8)," PAGE };

/* ---- groups, counts, history, figures, alarms: one JSON text ---- */

/* What is said of a group g (group_id, count, entry, …) beside its figures. */
#define GROUP_OF_LATEST                                                                                                  \
        " lateral (select name, queue, error_source, error_code, cause, error_message, verdict from chard.dead_letter x" \
        "  where x.entry = g.entry offset 0) l"
#define GROUP_PAIRS                                                                                              \
        "'group', g.group_id, 'name', l.name, 'queue', l.queue, 'source', l.error_source, 'code', l.error_code," \
        " 'cause', l.cause, 'verdict', l.verdict, 'message', l.error_message, 'count', g.count, 'entry', g.entry"

const struct statement statement_dead_groups = {
        "chard_dead_groups",
        "with g as materialized ("
        "  select group_id, count(*) as count, count(edited) as edited, count(distinct nullif(user_id, '')) as users,"
        "   min(died_at) as first, max(died_at) as last, max(entry) as entry from chard.dead_letter where" DEAD_FILTER
        "  group by group_id order by count(*) desc, group_id limit $16::int8)"
        " select coalesce(json_agg(json_build_object(" GROUP_PAIRS ", 'edited', g.edited, 'users', g.users,"
        "  'first_died_at', " MS("g.first") ", 'last_died_at', " MS(
                "g.last") ") order by g.count desc, g.group_id), '[]')::text"
                          " from g," GROUP_OF_LATEST
};

const struct statement statement_dead_count = {
        "chard_dead_count",
        "select json_build_object('count', count(*), 'upto', coalesce(max(entry), 0), 'edited', count(edited))::text"
        " from chard.dead_letter where" DEAD_FILTER
};

const struct statement statement_dead_history = {
        "chard_dead_history",
        "select coalesce(json_agg(json_build_object('at', " MS(
                "a.at") ", 'action', a.action, 'who', a.who, 'reason', a.reason,"
                        "  'scope', a.scope, 'operation', a.operation, 'count', a.entries) order by a.id), '[]')::text"
                        " from unnest((select acts from chard.dead_letter where entry = $1::int8)) as u (id),"
                        "  lateral (select * from chard.dead_letter_audit x where x.id = u.id offset 0) a"
};

/* Entries that are kept, or came or went within the hour: each through its own index, and once. */
const struct statement statement_dead_stats = {
        "chard_dead_stats",
        "with e as materialized ("
        "  select name, queue, error_code, group_id, state, died_at, kept_at, settled_at from chard.dead_letter where state = 'kept'"
        "  union all select name, queue, error_code, group_id, state, died_at, kept_at, settled_at from chard.dead_letter"
        "   where state <> 'kept' and settled_at > now() - interval '1 hour'"
        "  union all select name, queue, error_code, group_id, state, died_at, kept_at, settled_at from chard.dead_letter"
        "   where kept_at > now() - interval '1 hour' and state <> 'kept' and settled_at <= now() - interval '1 hour'),"
        " r as ("
        "  select name, queue, error_code, count(*) filter (where state = 'kept') as kept,"
        "   min(died_at) filter (where state = 'kept') as oldest,"
        "   count(*) filter (where kept_at > now() - interval '1 min') as in1,"
        "   count(*) filter (where kept_at > now() - interval '5 min') as in5,"
        "   count(*) filter (where kept_at > now() - interval '1 hour') as in60,"
        "   count(*) filter (where settled_at > now() - interval '1 min') as out1,"
        "   count(*) filter (where settled_at > now() - interval '5 min') as out5,"
        "   count(*) filter (where settled_at > now() - interval '1 hour') as out60"
        "  from e group by name, queue, error_code)"
        " select json_build_object('at', " MS(
                "clock_timestamp()") ","
                                     "  'kept', (select count(*) from e where state = 'kept'),"
                                     "  'groups', (select count(distinct group_id) from e where state = 'kept'),"
                                     "  'oldest_died_at', (select " MS(
                                             "min(oldest)") " from r),"
                                                            "  'rows', coalesce((select json_agg(json_build_object('name', name, 'queue', queue, 'code', error_code, 'kept', kept,"
                                                            "   'oldest_died_at', " MS(
                                                                    "oldest") ", 'in_1m', in1, 'in_5m', in5, 'in_1h', in60, 'out_1m', out1, 'out_5m', out5,"
                                                                              "   'out_1h', out60) order by kept desc, name, queue, error_code) from r), '[]'))::text"
};

/* A group that has gone is new when it comes again. One that is given is not due again before its lease ends; until somebody was told of it its
 * row has no entries. */
const struct statement statement_dead_alarms = {
        "chard_dead_alarms",
        "with g as materialized ("
        "  select group_id, count(*)::int4 as count, count(edited) as edited, count(distinct nullif(user_id, '')) as users,"
        "   min(died_at) as first, max(died_at) as last, max(entry) as entry from chard.dead_letter where state = 'kept' group by group_id),"
        " gone as (delete from chard.dead_letter_alarm where group_id not in (select group_id from g)),"
        " wanted as materialized ("
        "  select group_id, count from g order by count desc, group_id limit 10000),"
        " due as ("
        "  insert into chard.dead_letter_alarm as a (group_id, at, entries, leased_until)"
        "   select group_id, 'epoch', 0, now() + $5::int8 * interval '1 ms' from ("
        "    select w.group_id from wanted w left join lateral (select * from chard.dead_letter_alarm x"
        "      where x.group_id = w.group_id offset 0) a on true"
        "    where a.group_id is null or (a.leased_until <= now() and (a.entries = 0"
        "     or (w.count >= a.entries + greatest($2::int8, a.entries * $1::int8 / 100)"
        "      and (a.at <= now() - $3::int8 * interval '1 ms' or ($6::int8 > 0 and w.count >= a.entries * $6::int8)))))"
        "    order by w.count desc, w.group_id limit $4::int8) n"
        "  on conflict (group_id) do update set leased_until = excluded.leased_until where a.leased_until <= now()"
        "  returning a.group_id, a.entries as before, a.entries = 0 as new)"
        " select coalesce(json_agg(json_build_object(" GROUP_PAIRS ", 'edited', g.edited, 'users', g.users,"
        "  'first_died_at', " MS("g.first") ", 'last_died_at', " MS(
                "g.last") ","
                          "  'new', due.new, 'before', due.before) order by g.count desc, g.group_id), '[]')::text"
                          " from due, lateral (select * from g where g.group_id = due.group_id) g," GROUP_OF_LATEST
};

/* Nobody was told: it is due again at once. */
const struct statement statement_dead_told = {
        "chard_dead_told",
        "with t as ("
        "  update chard.dead_letter_alarm a set at = case when $2::int8 = 1 then now() else a.at end, leased_until = 'epoch',"
        "   entries = case when $2 = 1 then g.count else a.entries end"
        "  from json_to_recordset($1::json) as g (\"group\" text, count int4) where a.group_id = g.\"group\" returning 1)"
        " select json_build_object('groups', count(*))::text from t"
};

/* ---- asking ---- */

/* The texts of a filter, in the order of their parameters. */
static const size_t texts[] = {
        offsetof(struct dead_filter, state),   offsetof(struct dead_filter, name),
        offsetof(struct dead_filter, queue),   offsetof(struct dead_filter, error_code),
        offsetof(struct dead_filter, group),   offsetof(struct dead_filter, user_id),
        offsetof(struct dead_filter, root_id), offsetof(struct dead_filter, task_id),
        offsetof(struct dead_filter, text),
};
enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };

static const char **text_at(const struct dead_filter *f, int i)
{
        return (const char **)((uintptr_t)f + texts[i]);
}

/* $1 … $15. */
static void send_filter(struct arguments *a, const struct dead_filter *f)
{
        struct column *entries = arguments_array(a, COLUMN_INT8);

        for (size_t i = 0; i < f->entry_count; i++)
                column_int8(entries, f->entries[i]);
        for (int i = 0; i < TEXTS; i++)
                arguments_text(a, *text_at(f, i) ? *text_at(f, i) : "");
        arguments_number(a, f->since_ms);
        arguments_number(a, f->until_ms);
        arguments_number(a, f->after);
        arguments_number(a, f->upto);
        arguments_number(a, f->by_round ? (int64_t)f->round : -1);
}

static int send_page(struct link *link, struct group *group)
{
        const struct dead_ask *ask = group->calls[0]->what;
        const struct dead_query *q = &ask->query;
        struct arguments *a = &link->store->arguments;

        arguments_reset(a);
        send_filter(a, &q->filter);
        arguments_number(a, q->limit);
        arguments_number(a, q->offset);
        arguments_number(a, q->content | q->plain << 1);
        arguments_number(a, q->max_bytes > 0 && q->max_bytes < INT64_MAX ? (int64_t)q->max_bytes : INT64_MAX);
        if (ask->statement != &statement_dead_along && ask->statement != &statement_dead_along_kept)
                arguments_number(a, (int64_t)q->sort * 2 + q->descending);
        return link_send(link, group, ask->statement);
}

enum {
        ENTRY,
        DIED,
        KEPT,
        SETTLED,
        FIRST_TEXT,
        ATTEMPTS = 19,
        ROUNDS,
        BODY_SIZE,
        TASK_STATE,
        JOB_STATE,
        TASK_STANDING,
        PROPERTIES,
        BODY,
        EDITED,
        VERSION,
};

static struct dead_letter letter_of(const PGresult *r, int row)
{
        const int64_t standing = field_number(r, row, TASK_STANDING);
        const char *t[ATTEMPTS - FIRST_TEXT];

        for (int i = 0; i < ATTEMPTS - FIRST_TEXT; i++)
                t[i] = field_text(r, row, FIRST_TEXT + i);
        return (struct dead_letter){
                .entry = field_number(r, row, ENTRY),
                .died_ms = field_number(r, row, DIED),
                .kept_ms = field_number(r, row, KEPT),
                .settled_ms = field_number(r, row, SETTLED),
                .state = t[0],
                .task_id = t[1],
                .root_id = t[2],
                .name = t[3],
                .queue = t[4],
                .error_source = t[5],
                .error_code = t[6],
                .error_message = t[7],
                .group = t[8],
                .cause = t[9],
                .trace_id = t[10],
                .user_id = t[11],
                .worker = t[12],
                .next_task = t[13],
                .verdict = t[14],
                .attempts = (unsigned)field_number(r, row, ATTEMPTS),
                .rounds = (unsigned)field_number(r, row, ROUNDS),
                .body_size = field_number(r, row, BODY_SIZE),
                .version = field_number(r, row, VERSION),
                .task_state = field_text(r, row, TASK_STATE),
                .job_state = field_text(r, row, JOB_STATE),
                .waits = standing & 1,
                .followed = standing & 2,
                .leased = standing & 4,
                .properties = field_bytes(r, row, PROPERTIES),
                .body = field_bytes(r, row, BODY),
                .edited = field_bytes(r, row, EDITED),
        };
}

static void answer_page(struct link *link, struct group *group)
{
        struct call *call = group_take(group, 0);
        const PGresult *r = group->results[0];
        size_t count = (size_t)PQntuples(r);
        struct dead_letter *letters = calloc(count + 1, sizeof(*letters));
        dead_page_done *done = (dead_page_done *)call->done;
        void *arg = call->arg;
        struct problem why;

        for (size_t i = 0; letters && i < count; i++)
                letters[i] = letter_of(r, (int)i);
        call_free(link->store, call);
        if (!letters)
                problem_set(&why, "store", "out_of_memory", "out of memory");
        done(letters, letters ? count : 0, letters ? NULL : &why, arg);
        free(letters);
}

static void refuse_page(struct call *call, enum store_result result, const struct problem *why)
{
        (void)result;
        ((dead_page_done *)call->done)(NULL, 0, why, call->arg);
}

const struct verb verb_dead_page = {
        .lane = LANE_DEAD_PAGE,
        .link = LINK_DEAD,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_page,
        .answer = answer_page,
        .refuse = refuse_page,
};

/* ---- asking for JSON ---- */

static int send_ask(struct link *link, struct group *group)
{
        const struct dead_ask *ask = group->calls[0]->what;
        struct arguments *a = &link->store->arguments;

        arguments_reset(a);
        if (ask->statement == &statement_dead_history) {
                arguments_number(a, ask->entry);
        } else if (ask->statement == &statement_dead_alarms) {
                arguments_number(a, ask->alarm.growth);
                arguments_number(a, ask->alarm.least);
                arguments_number(a, ask->alarm.quiet_ms);
                arguments_number(a, ask->alarm.limit);
                arguments_number(a, ask->alarm.lease_ms);
                arguments_number(a, ask->alarm.factor);
        } else if (ask->statement == &statement_dead_told) {
                arguments_text(a, ask->query.filter.text);
                arguments_number(a, ask->told);
        } else if (ask->statement != &statement_dead_stats) {
                send_filter(a, &ask->query.filter);
                if (ask->statement == &statement_dead_groups)
                        arguments_number(a, ask->query.limit);
        }
        return link_send(link, group, ask->statement);
}

const struct verb verb_dead_ask = {
        .lane = LANE_DEAD_ASK,
        .link = LINK_DEAD,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_ask,
        .answer = answer_json,
        .refuse = refuse_json,
};

/* One block: the ask, the entries, the texts. NULL when memory ran out. */
static struct dead_ask *ask_new(const struct statement *statement, const struct dead_filter *f)
{
        size_t entries = f->entry_count * sizeof(int64_t), size = sizeof(struct dead_ask) + entries;
        struct dead_ask *ask;
        char *at;

        for (int i = 0; i < TEXTS; i++)
                size += *text_at(f, i) ? strlen(*text_at(f, i)) + 1 : 0;
        ask = calloc(1, size);
        if (!ask)
                return NULL;
        ask->statement = statement;
        ask->query.filter = *f;
        if (entries > 0)
                memcpy(ask + 1, f->entries, entries);
        ask->query.filter.entries = (const int64_t *)(ask + 1);
        at = (char *)(ask + 1) + entries;
        for (int i = 0; i < TEXTS; i++) {
                const char **text = text_at(&ask->query.filter, i);

                if (*text) {
                        size_t whole = strlen(*text) + 1;

                        memcpy(at, *text, whole);
                        *text = at;
                        at += whole;
                }
        }
        return ask;
}

static void ask_json(struct store *s, struct dead_ask *takes, json_done *done, void *arg)
{
        struct problem why;

        if (takes) {
                call_add(pg_of(s), &verb_dead_ask, takes, takes, (void (*)(void))done, arg);
                return;
        }
        problem_set(&why, "store", "out_of_memory", "out of memory");
        done(NULL, &why, arg);
}

void pg_dead_read(struct store *s, const struct dead_query *query, dead_page_done *done, void *arg)
{
        const struct dead_filter *f = &query->filter;
        bool along = query->sort == DEAD_BY_ENTRY && !query->descending,
             kept = f->state && strcmp(f->state, "kept") == 0;
        struct dead_ask *ask = ask_new(f->entry_count > 0 ? &statement_dead_some
                                       : along && kept    ? &statement_dead_along_kept
                                       : along            ? &statement_dead_along
                                                          : &statement_dead_page,
                                       f);
        struct problem why;

        if (!ask) {
                problem_set(&why, "store", "out_of_memory", "out of memory");
                done(NULL, 0, &why, arg);
                return;
        }
        struct dead_filter own = ask->query.filter;
        ask->query = *query;
        ask->query.filter = own;
        call_add(pg_of(s), &verb_dead_page, ask, ask, (void (*)(void))done, arg);
}

void pg_dead_groups(struct store *s, const struct dead_filter *filter, unsigned limit, json_done *done, void *arg)
{
        struct dead_ask *ask = ask_new(&statement_dead_groups, filter);

        if (ask)
                ask->query.limit = limit;
        ask_json(s, ask, done, arg);
}

void pg_dead_count(struct store *s, const struct dead_filter *filter, json_done *done, void *arg)
{
        ask_json(s, ask_new(&statement_dead_count, filter), done, arg);
}

void pg_dead_history(struct store *s, int64_t entry, json_done *done, void *arg)
{
        struct dead_ask *ask = ask_new(&statement_dead_history, &(struct dead_filter){ 0 });

        if (ask)
                ask->entry = entry;
        ask_json(s, ask, done, arg);
}

void pg_dead_stats(struct store *s, json_done *done, void *arg)
{
        ask_json(s, ask_new(&statement_dead_stats, &(struct dead_filter){ 0 }), done, arg);
}

void pg_dead_alarms(struct store *s, const struct dead_alarm_query *query, json_done *done, void *arg)
{
        struct dead_ask *ask = ask_new(&statement_dead_alarms, &(struct dead_filter){ 0 });

        if (ask)
                ask->alarm = *query;
        ask_json(s, ask, done, arg);
}

void pg_dead_alarms_told(struct store *s, const json_t *groups, bool told, json_done *done, void *arg)
{
        char *text = json_dumps(groups, JSON_COMPACT);
        struct dead_ask *ask = text ? ask_new(&statement_dead_told, &(struct dead_filter){ .text = text }) : NULL;

        free(text);
        if (ask)
                ask->told = told;
        ask_json(s, ask, done, arg);
}
