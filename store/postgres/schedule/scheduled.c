/* SPDX-License-Identifier: Apache-2.0 */
/* schedule: messages that are published later. And word of it to the other workers: a group that schedules says once when
 * the first of its rows is due. Failed attempts don't, because the worker that schedules them is there to release them. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#include <stdlib.h>

void scheduled_begin(struct pg_arguments *a, struct scheduled_columns *c)
{
        c->key = arguments_array(a, COLUMN_UUID);
        c->due = arguments_array(a, COLUMN_INT8);
        c->exchange = arguments_array(a, COLUMN_TEXT);
        c->routing_key = arguments_array(a, COLUMN_TEXT);
        c->reason = arguments_array(a, COLUMN_TEXT);
        c->task_id = arguments_array(a, COLUMN_TEXT);
        c->properties = arguments_array(a, COLUMN_BYTEA);
        c->body = arguments_array(a, COLUMN_BYTEA);
        c->of = arguments_array(a, COLUMN_TEXT);
        c->root_id = arguments_array(a, COLUMN_TEXT);
}

void scheduled_add(struct scheduled_columns *c, const unsigned char key[KEY_SIZE], const struct scheduled *row,
                   const char *of)
{
        column_uuid(c->key, key);
        column_int8(c->due, row->due_ms);
        column_text(c->exchange, row->message->exchange);
        column_text(c->routing_key, row->message->routing_key);
        column_text(c->reason, row->reason ? row->reason : "");
        column_text(c->task_id, row->task_id);
        column_bytes(c->properties, row->message->properties);
        column_bytes(c->body, row->message->body);
        column_text(c->of, of);
        column_text(c->root_id, row->root_id);
}

int scheduled_notify(struct pg_link *link, struct pg_group *group, int64_t due_ms)
{
        arguments_reset(&link->store->arguments);
        arguments_number(&link->store->arguments, due_ms);
        return pg_link_send(link, group, &pg_sql_notify);
}

/* Our own notifications come back too; the engine knows of those rows already. */
void scheduled_heard(struct pg_store *s, const PGnotify *note)
{
        PGconn *commits = s->links[PG_LINK_COMMITS].pg;

        if (s->heard && !(commits && note->be_pid == PQbackendPID(commits)))
                s->heard(strtoll(note->extra, NULL, 10), s->heard_arg);
}

static size_t row_size(const struct pg_call *call)
{
        const struct scheduled *row = call->what;

        return row->message->properties.size + row->message->body.size + 256;
}

static int send_rows(struct pg_link *link, struct pg_group *group)
{
        struct pg_arguments *a = &link->store->arguments;
        struct scheduled_columns c;
        int64_t first = INT64_MAX;
        int rc;

        arguments_reset(a);
        scheduled_begin(a, &c);
        for (size_t i = 0; i < group->count; i++) {
                const struct scheduled *row = group->calls[i]->what;

                scheduled_add(&c, group->calls[i]->key, row, NULL);
                if (row->due_ms < first)
                        first = row->due_ms;
        }
        rc = pg_link_send(link, group, &pg_sql_schedule);
        return rc == 0 ? scheduled_notify(link, group, first) : rc;
}

const struct pg_verb verb_schedule = {
        .lane = LANE_SCHEDULE,
        .link = PG_LINK_COMMITS,
        .most = GROUP_CALLS_MAX,
        .size = row_size,
        .send = send_rows,
        .answer = answer_done,
        .refuse = refuse_done,
};
