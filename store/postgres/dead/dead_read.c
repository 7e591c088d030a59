/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters: pages, groups, counts, what was done, figures, alarms. */
#include "store/postgres/dead/dead.h"
#include "store/postgres/statements.h"

#include "core/json.h"

#include <stddef.h>
#include <stdlib.h>

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

static const char **dead_page_text_at(const struct dead_filter *f, int i)
{
        return (const char **)((uintptr_t)f + texts[i]);
}

/* $1 … $15. */
static void send_filter(struct pg_arguments *a, const struct dead_filter *f)
{
        struct column *entries = arguments_array(a, COLUMN_INT8);

        for (size_t i = 0; i < f->entry_count; i++)
                column_int8(entries, f->entries[i]);
        for (int i = 0; i < TEXTS; i++)
                arguments_text(a, *dead_page_text_at(f, i) ? *dead_page_text_at(f, i) : "");
        arguments_number(a, f->since_ms);
        arguments_number(a, f->until_ms);
        arguments_number(a, f->after);
        arguments_number(a, f->upto);
        arguments_number(a, f->by_round ? (int64_t)f->round : -1);
}

static int send_page(struct pg_link *link, struct pg_group *group)
{
        const struct dead_ask *ask = group->calls[0]->what;
        const struct dead_query *q = &ask->query;
        struct pg_arguments *a = &link->store->arguments;

        arguments_reset(a);
        send_filter(a, &q->filter);
        arguments_number(a, q->limit);
        arguments_number(a, q->offset);
        arguments_number(a, q->content | q->plain << 1);
        arguments_number(a, q->max_bytes > 0 && q->max_bytes < INT64_MAX ? (int64_t)q->max_bytes : INT64_MAX);
        if (q->sort != DEAD_BY_ENTRY || q->filter.entry_count > 0) /* those along an index name no order */
                arguments_number(a, (int64_t)q->sort * 2 + q->descending);
        return pg_link_send(link, group, ask->statement);
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

static void answer_page(struct pg_link *link, struct pg_group *group)
{
        struct pg_call *call = group_take(group, 0);
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

static void refuse_page(struct pg_call *call, enum store_result result, const struct problem *why)
{
        (void)result;
        ((dead_page_done *)call->done)(NULL, 0, why, call->arg);
}

const struct pg_verb verb_dead_page = {
        .lane = LANE_DEAD_PAGE,
        .link = PG_LINK_DEAD,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_page,
        .answer = answer_page,
        .refuse = refuse_page,
};

/* ---- asking for JSON ---- */

static int send_ask(struct pg_link *link, struct pg_group *group)
{
        const struct dead_ask *ask = group->calls[0]->what;
        struct pg_arguments *a = &link->store->arguments;

        arguments_reset(a);
        if (ask->statement == &pg_sql_dead_history) {
                arguments_number(a, ask->entry);
        } else if (ask->statement == &pg_sql_dead_alarms) {
                arguments_number(a, ask->alarm.growth);
                arguments_number(a, ask->alarm.least);
                arguments_number(a, ask->alarm.quiet_ms);
                arguments_number(a, ask->alarm.limit);
                arguments_number(a, ask->alarm.lease_ms);
                arguments_number(a, ask->alarm.factor);
        } else if (ask->statement == &pg_sql_dead_told) {
                arguments_text(a, ask->query.filter.text);
                arguments_number(a, ask->told);
        } else if (ask->statement != &pg_sql_dead_stats) {
                send_filter(a, &ask->query.filter);
                if (ask->statement == &pg_sql_dead_groups)
                        arguments_number(a, ask->query.limit);
        }
        return pg_link_send(link, group, ask->statement);
}

const struct pg_verb verb_dead_ask = {
        .lane = LANE_DEAD_ASK,
        .link = PG_LINK_DEAD,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_ask,
        .answer = answer_rows,
        .refuse = refuse_json,
};

/* One block: the ask, the entries, the texts. NULL when memory ran out. */
static struct dead_ask *ask_new(const struct statement *statement, const struct dead_filter *f)
{
        size_t entries = f->entry_count * sizeof(int64_t), size = sizeof(struct dead_ask) + entries;
        struct dead_ask *ask;
        char *at;

        for (int i = 0; i < TEXTS; i++)
                size += *dead_page_text_at(f, i) ? strlen(*dead_page_text_at(f, i)) + 1 : 0;
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
                const char **text = dead_page_text_at(&ask->query.filter, i);

                if (*text) {
                        size_t whole = strlen(*text) + 1;

                        memcpy(at, *text, whole);
                        *text = at;
                        at += whole;
                }
        }
        return ask;
}

static void dead_page_ask_json(struct store *s, struct dead_ask *takes, json_done *done, void *arg)
{
        if (takes) {
                call_add(pg_of(s), &verb_dead_ask, takes, takes, (void (*)(void))done, arg);
                return;
        }
        call_refuse(&verb_dead_ask, (void (*)(void))done, arg, STORE_STARVED);
}

static const struct statement *dead_page_statement(const struct dead_query *query)
{
        static const struct statement *const along[2][2] = { { &pg_sql_dead_along, &pg_sql_dead_along_kept },
                                                             { &pg_sql_dead_back, &pg_sql_dead_back_kept } };
        const char *state = query->filter.state;
        if (query->filter.entry_count > 0)
                return &pg_sql_dead_some;
        return query->sort == DEAD_BY_ENTRY ? along[query->descending][state && strcmp(state, "kept") == 0]
                                            : &pg_sql_dead_page;
}

void pg_dead_read(struct store *s, const struct dead_query *query, dead_page_done *done, void *arg)
{
        const struct dead_filter *f = &query->filter;
        struct dead_ask *ask = ask_new(dead_page_statement(query), f);

        if (!ask) {
                call_refuse(&verb_dead_page, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        struct dead_filter own = ask->query.filter;
        ask->query = *query;
        ask->query.filter = own;
        call_add(pg_of(s), &verb_dead_page, ask, ask, (void (*)(void))done, arg);
}

void pg_dead_groups(struct store *s, const struct dead_filter *filter, unsigned limit, json_done *done, void *arg)
{
        struct dead_ask *ask = ask_new(&pg_sql_dead_groups, filter);

        if (ask)
                ask->query.limit = limit;
        dead_page_ask_json(s, ask, done, arg);
}

void pg_dead_count(struct store *s, const struct dead_filter *filter, json_done *done, void *arg)
{
        dead_page_ask_json(s, ask_new(&pg_sql_dead_count, filter), done, arg);
}

void pg_dead_history(struct store *s, int64_t entry, json_done *done, void *arg)
{
        struct dead_ask *ask = ask_new(&pg_sql_dead_history, &(struct dead_filter){ 0 });

        if (ask)
                ask->entry = entry;
        dead_page_ask_json(s, ask, done, arg);
}

void pg_dead_stats(struct store *s, json_done *done, void *arg)
{
        dead_page_ask_json(s, ask_new(&pg_sql_dead_stats, &(struct dead_filter){ 0 }), done, arg);
}

void pg_dead_alarms(struct store *s, const struct dead_alarm_query *query, json_done *done, void *arg)
{
        struct dead_ask *ask = ask_new(&pg_sql_dead_alarms, &(struct dead_filter){ 0 });

        if (ask)
                ask->alarm = *query;
        dead_page_ask_json(s, ask, done, arg);
}

void pg_dead_alarms_told(struct store *s, const json_t *groups, bool told, json_done *done, void *arg)
{
        char *text = json_dumps(groups, JSON_COMPACT);
        struct dead_ask *ask = text ? ask_new(&pg_sql_dead_told, &(struct dead_filter){ .text = text }) : NULL;

        free(text);
        if (ask)
                ask->told = told;
        dead_page_ask_json(s, ask, done, arg);
}
