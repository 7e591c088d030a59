/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the outbox in order. A position is TRANSACTION.NUMBER of a row; see store/postgres/schema/0006_outbox_order.sql and 0009_outbox_order_by_snapshot.sql. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#include "core/json.h"

#include <stdio.h>
#include <stdlib.h>

struct pg_events_call {
        char xact[24];
        int64_t number, limit;
        const struct statement *statement;
};

static int send_events(struct pg_link *link, struct pg_group *group)
{
        const struct pg_events_call *call = group->calls[0]->what;
        struct pg_arguments *a = &link->store->arguments;

        arguments_reset(a);
        arguments_text(a, call->xact);
        arguments_number(a, call->number);
        arguments_number(a, call->limit);
        return pg_link_send(link, group, call->statement);
}

const struct pg_verb verb_events = {
        .lane = LANE_EVENTS,
        .link = PG_LINK_CLAIMS,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_events,
        .answer = answer_rows,
        .refuse = refuse_json,
};

/* "" stands before everything. */
static int pg_events_read_position(const char *text, struct pg_events_call *call, struct problem *why)
{
        char *dot = NULL, *end = NULL;

        snprintf(call->xact, sizeof(call->xact), "%d", 0);
        if (!*text)
                return 0;
        snprintf(call->xact, sizeof(call->xact), "%llu", strtoull(text, &dot, 10));
        if (*text >= '0' && *text <= '9' && *dot == '.' && dot[1] >= '0' && dot[1] <= '9')
                call->number = strtoll(dot + 1, &end, 10);
        if (end && *end == '\0')
                return 0;
        return problem_set(why, "store", "bad_position",
                           "\"%.60s\" is no position of an event: give one as `chard events` prints it, like 742.15",
                           text);
}

static void pg_events_add(struct store *s, const char *since, unsigned limit, const struct statement *statement,
                          json_done *done, void *arg)
{
        struct pg_events_call *call = calloc(1, sizeof(*call));
        struct problem why;

        if (!call || pg_events_read_position(since ? since : "", call, &why)) {
                if (!call)
                        problem_set(&why, "store", "out_of_memory", "out of memory");
                free(call);
                done(NULL, &why, arg);
                return;
        }
        call->limit = limit;
        call->statement = statement;
        call_add(pg_of(s), &verb_events, call, call, (void (*)(void))done, arg);
}

void pg_events(struct store *s, const char *since, unsigned limit, json_done *done, void *arg)
{
        pg_events_add(s, since, limit, &pg_sql_events, done, arg);
}

void pg_consumer_page(struct store *s, const char *since, unsigned limit, json_done *done, void *arg)
{
        pg_events_add(s, since, limit, &pg_sql_events_text, done, arg);
}
