/* SPDX-License-Identifier: Apache-2.0 */
/* Change data capture, for whoever looks after it. Few processes ever do: nothing is prepared for it. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#include <stdlib.h>
#include <string.h>

enum { CDC_MOST_NUMBERS = 3 };

/* Its arguments: the texts, then the numbers. */
struct pg_cdc_call {
        const struct statement *statement;
        const char *mode; /* a second text, constant; or NULL */
        int64_t numbers[CDC_MOST_NUMBERS];
        size_t count; /* of them */
        bool bare;    /* no arguments at all */
        char text[];
};

static int send_cdc(struct pg_link *link, struct pg_group *group)
{
        const struct pg_cdc_call *call = group->calls[0]->what;
        struct pg_arguments *a = &link->store->arguments;

        arguments_reset(a);
        if (!call->bare)
                arguments_text(a, call->text);
        if (call->mode)
                arguments_text(a, call->mode);
        for (size_t i = 0; i < call->count; i++)
                arguments_number(a, call->numbers[i]);
        return pg_link_send_once(link, group, call->statement);
}

const struct pg_verb verb_cdc = {
        .lane = LANE_CDC,
        .link = PG_LINK_COMMITS,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_cdc,
        .answer = answer_rows,
        .refuse = refuse_json,
};

static void cdc_add(struct store *s, const struct pg_cdc_call *wanted, const char *text, json_done *done, void *arg)
{
        const size_t size = strlen(text) + 1;
        struct pg_cdc_call *call = malloc(sizeof(*call) + size);

        if (!call) {
                call_refuse(&verb_cdc, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        *call = *wanted;
        memcpy(call->text, text, size);
        call_add(pg_of(s), &verb_cdc, call, call, (void (*)(void))done, arg);
}

void pg_cdc_look(struct store *s, json_done *done, void *arg)
{
        cdc_add(s, &(struct pg_cdc_call){ .statement = &pg_sql_cdc_look, .bare = true }, "", done, arg);
}

void pg_cdc_place(struct store *s, const char *position, bool until, json_done *done, void *arg)
{
        cdc_add(s, &(struct pg_cdc_call){ .statement = &pg_sql_cdc_place, .mode = until ? "until" : "since" }, position,
                done, arg);
}

void pg_cdc_count(struct store *s, const struct backfill *b, json_done *done, void *arg)
{
        const struct pg_cdc_call call = { .statement = &pg_sql_cdc_count,
                                          .numbers = { b->since_ms, b->until_ms },
                                          .count = 2 };

        cdc_add(s, &call, b->run, done, arg);
}

void pg_cdc_backfill(struct store *s, const struct backfill *b, json_done *done, void *arg)
{
        const struct pg_cdc_call call = { .statement = &pg_sql_cdc_backfill,
                                          .numbers = { b->since_ms, b->until_ms, b->limit },
                                          .count = 3 };

        cdc_add(s, &call, b->run, done, arg);
}
