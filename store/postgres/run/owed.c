/* SPDX-License-Identifier: Apache-2.0 */
/* Results owed: what is to be told of tasks that have ended, kept while the result backend is away. Few rows, and only then: nothing is
 * prepared for them. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#include <stdlib.h>
#include <string.h>

/* ---- owe ---- */

static size_t owed_size(const struct pg_call *call)
{
        const struct owed_result *row = call->what;

        return row->properties.size + row->body.size + row->telling.size + 256;
}

static int owed_send(struct pg_link *link, struct pg_group *group)
{
        struct pg_arguments *a = &link->store->arguments;

        arguments_reset(a);
        struct column *key = arguments_array(a, COLUMN_UUID), *task_id = arguments_array(a, COLUMN_TEXT);
        struct column *queue = arguments_array(a, COLUMN_TEXT), *properties = arguments_array(a, COLUMN_BYTEA);
        struct column *body = arguments_array(a, COLUMN_BYTEA), *telling = arguments_array(a, COLUMN_BYTEA);
        struct column *wait = arguments_array(a, COLUMN_INT8);
        for (size_t i = 0; i < group->count; i++) {
                const struct owed_result *row = group->calls[i]->what;

                column_uuid(key, group->calls[i]->key);
                column_text(task_id, row->task_id);
                column_text(queue, row->queue);
                column_bytes(properties, row->properties);
                column_bytes(body, row->body);
                column_bytes(telling, row->telling);
                column_int8(wait, row->wait_ms);
        }
        return pg_link_send_once(link, group, &pg_sql_owe);
}

const struct pg_verb verb_owe = {
        .lane = LANE_OWE,
        .link = PG_LINK_COMMITS,
        .most = GROUP_CALLS_MAX,
        .size = owed_size,
        .send = owed_send,
        .answer = answer_done,
        .refuse = refuse_done,
};

void pg_owe(struct store *s, const struct owed_result *owed, store_done *done, void *arg)
{
        call_add(pg_of(s), &verb_owe, owed, NULL, (void (*)(void))done, arg);
}

/* ---- take ---- */

static int owed_send_take(struct pg_link *link, struct pg_group *group)
{
        const int64_t *limit = group->calls[0]->what;

        arguments_reset(&link->store->arguments);
        arguments_number(&link->store->arguments, *limit);
        return pg_link_send_once(link, group, &pg_sql_owed_take);
}

const struct pg_verb verb_owed_take = {
        .lane = LANE_OWED_TAKE,
        .link = PG_LINK_COMMITS,
        .most = 1,
        .tries = READ_TRIES, /* asked again by the one who takes */
        .send = owed_send_take,
        .answer = answer_rows,
        .refuse = refuse_json,
};

void pg_owed_take(struct store *s, unsigned limit, json_done *done, void *arg)
{
        int64_t *call = malloc(sizeof(*call));

        if (!call) {
                call_refuse(&verb_owed_take, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        *call = limit;
        call_add(pg_of(s), &verb_owed_take, call, call, (void (*)(void))done, arg);
}

/* ---- settle ---- */

struct owed_call {
        size_t told, untold;
        int64_t ids[];
};

static int owed_send_ids(struct pg_link *link, struct pg_group *group, const struct statement *sql, const int64_t *ids,
                         size_t count)
{
        struct pg_arguments *a = &link->store->arguments;
        struct column *c;

        arguments_reset(a);
        c = arguments_array(a, COLUMN_INT8);
        for (size_t i = 0; i < count; i++)
                column_int8(c, ids[i]);
        return pg_link_send_once(link, group, sql);
}

static int owed_send_settle(struct pg_link *link, struct pg_group *group)
{
        const struct owed_call *call = group->calls[0]->what;
        int rc = owed_send_ids(link, group, &pg_sql_owed_told, call->ids, call->told);

        if (rc == 0 && call->untold)
                rc = owed_send_ids(link, group, &pg_sql_owed_untold, call->ids + call->told, call->untold);
        return rc;
}

const struct pg_verb verb_owed_settle = {
        .lane = LANE_OWED_SETTLE,
        .link = PG_LINK_COMMITS,
        .most = 1,
        .send = owed_send_settle,
        .answer = answer_done,
        .refuse = refuse_done,
};

void pg_owed_settle(struct store *s, const int64_t told[], size_t told_count, const int64_t untold[],
                    size_t untold_count, store_done *done, void *arg)
{
        struct owed_call *call = malloc(sizeof(*call) + (told_count + untold_count) * sizeof(int64_t));

        if (!call) {
                call_refuse(&verb_owed_settle, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        *call = (struct owed_call){ told_count, untold_count };
        if (told_count)
                memcpy(call->ids, told, told_count * sizeof(int64_t));
        if (untold_count)
                memcpy(call->ids + told_count, untold, untold_count * sizeof(int64_t));
        call_add(pg_of(s), &verb_owed_settle, call, call, (void (*)(void))done, arg);
}
