/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that got stuck: found in chunks, and failed or sent on. */
#include "store/postgres/dead/dead.h"
#include "store/postgres/statements.h"

#include "core/json.h"

#include <stdlib.h>

/* ---- find ---- */

static int send_find(struct pg_link *link, struct pg_group *group)
{
        const struct stale_query *q = group->calls[0]->what;
        struct pg_arguments *a = &link->store->arguments;
        struct column *pipeline, *ms;

        arguments_reset(a);
        pipeline = arguments_array(a, COLUMN_TEXT);
        ms = arguments_array(a, COLUMN_INT8);
        for (size_t i = 0; i < q->limit_count; i++) {
                column_text(pipeline, q->limits[i].pipeline);
                column_int8(ms, q->limits[i].limit_ms);
        }
        arguments_number(a, q->limit);
        return pg_link_send(link, group, &pg_sql_stale_find);
}

const struct pg_verb verb_stale_find = {
        .lane = LANE_STALE_FIND,
        .link = PG_LINK_DEAD,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_find,
        .answer = answer_rows,
        .refuse = refuse_json,
};

void pg_stale_find(struct store *s, const struct stale_query *query, json_done *done, void *arg)
{
        call_add(pg_of(s), &verb_stale_find, query, NULL, (void (*)(void))done, arg);
}

/* ---- settle ---- */

struct pg_settle_call {
        const struct stale_item *items;
        size_t count;
};

struct stale_columns {
        struct column *root, *updated, *restart, *error, *aggregate, *type, *payload;
        struct column *of, *task, *name, *exchange, *key, *properties,
                *body; /* what follows: `of` counts the jobs from 1 */
        struct column *since;
};

static void begin_items(struct pg_arguments *a, struct stale_columns *c)
{
        c->root = arguments_array(a, COLUMN_TEXT);
        c->updated = arguments_array(a, COLUMN_INT8);
        c->restart = arguments_array(a, COLUMN_INT8);
        c->error = arguments_array(a, COLUMN_JSONB);
        c->aggregate = arguments_array(a, COLUMN_TEXT);
        c->type = arguments_array(a, COLUMN_TEXT);
        c->payload = arguments_array(a, COLUMN_JSONB);
        c->of = arguments_array(a, COLUMN_INT8);
        c->task = arguments_array(a, COLUMN_TEXT);
        c->name = arguments_array(a, COLUMN_TEXT);
        c->exchange = arguments_array(a, COLUMN_TEXT);
        c->key = arguments_array(a, COLUMN_TEXT);
        c->properties = arguments_array(a, COLUMN_BYTEA);
        c->body = arguments_array(a, COLUMN_BYTEA);
        c->since = arguments_array(a, COLUMN_INT8);
}

static void stale_add_failure(struct stale_columns *c, const struct stale_item *item)
{
        JSON_OWNED json_t *error = item->why ? stale_error(item->why) : NULL;

        if (error)
                column_json(c->error, error);
        else if (item->why)
                c->error->bytes.failed =
                        true; /* out of memory: without its error the job would be taken for one that is sent on */
        else
                column_null(c->error);
        column_text(c->aggregate, item->aggregate_type);
        column_text(c->type, item->event_type);
        if (item->payload)
                column_json(c->payload, item->payload);
        else
                column_null(c->payload);
}

static void stale_add_next(struct stale_columns *c, size_t n, const struct stale_next *next)
{
        const struct message *m = next->message;

        column_int8(c->of, (int64_t)n + 1);
        column_text(c->task, next->task_id);
        column_text(c->name, next->task_name);
        column_text(c->exchange, m ? m->exchange : NULL);
        column_text(c->key, m ? m->routing_key : NULL);
        if (m) {
                column_bytes(c->properties, m->properties);
                column_bytes(c->body, m->body);
        } else {
                column_null(c->properties);
                column_null(c->body);
        }
}

static int send_roots(struct pg_link *link, struct pg_group *group, const struct pg_settle_call *call,
                      const struct statement *statement)
{
        struct pg_arguments *a = &link->store->arguments;
        struct column *root;

        arguments_reset(a);
        root = arguments_array(a, COLUMN_TEXT);
        for (size_t i = 0; i < call->count; i++)
                column_text(root, call->items[i].root_id);
        return pg_link_send(link, group, statement);
}

static int send_stale(struct pg_link *link, struct pg_group *group)
{
        const struct pg_settle_call *call = group->calls[0]->what;
        struct pg_arguments *a = &link->store->arguments;
        struct stale_columns c;
        bool restarts = false;
        int rc = send_roots(link, group, call, &pg_sql_stale_lock_tasks);

        if (rc == 0)
                rc = send_roots(link, group, call, &pg_sql_stale_lock_jobs);
        if (rc != 0)
                return rc;
        arguments_reset(a);
        begin_items(a, &c);
        for (size_t i = 0; i < call->count; i++) {
                const struct stale_item *item = &call->items[i];

                column_text(c.root, item->root_id);
                column_int8(c.updated, item->updated_us);
                column_int8(c.since, item->since_us);
                column_int8(c.restart, item->restart);
                stale_add_failure(&c, item);
                for (size_t n = 0; n < item->next_count; n++)
                        stale_add_next(&c, i, &item->next[n]);
                restarts = restarts || item->restart;
        }
        rc = pg_link_send(link, group, &pg_sql_stale_settle);
        return rc == 0 && restarts ? scheduled_notify(link, group, 0) : rc;
}

static void stale_answer_settle(struct pg_link *link, struct pg_group *group)
{
        struct pg_call *call = group_take(group, 0);
        stale_settled *done = (stale_settled *)call->done;
        size_t settled = (size_t)PQntuples(group->results[2]);
        void *arg = call->arg;

        call_free(link->store, call);
        done(settled, NULL, arg);
}

static void refuse_stale(struct pg_call *call, enum store_result result, const struct problem *why)
{
        (void)result;
        ((stale_settled *)call->done)(0, why, call->arg);
}

const struct pg_verb verb_stale_settle = {
        .lane = LANE_STALE_SETTLE,
        .link = PG_LINK_DEAD,
        .most = 1,
        .send = send_stale,
        .answer = stale_answer_settle,
        .refuse = refuse_stale,
};

void pg_stale_settle(struct store *s, const struct stale_item *items, size_t count, stale_settled *done, void *arg)
{
        struct pg_settle_call *call = malloc(sizeof(*call));

        if (!call) {
                call_refuse(&verb_stale_settle, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        *call = (struct pg_settle_call){ items, count };
        call_add(pg_of(s), &verb_stale_settle, call, call, (void (*)(void))done, arg);
}
