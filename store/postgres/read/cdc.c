/* SPDX-License-Identifier: Apache-2.0 */
/* Change data capture, for whoever looks after it. Few processes ever do: nothing is prepared for it. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#include <stdlib.h>

struct pg_cdc_call {
        const struct statement *statement;
};

static int send_cdc(struct pg_link *link, struct pg_group *group)
{
        const struct pg_cdc_call *call = group->calls[0]->what;

        arguments_reset(&link->store->arguments);
        return pg_link_send_once(link, group, call->statement);
}

const struct pg_verb verb_cdc = {
        .lane = LANE_CDC,
        .link = PG_LINK_CLAIMS,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_cdc,
        .answer = answer_json,
        .refuse = refuse_json,
};

void pg_cdc_look(struct store *s, json_done *done, void *arg)
{
        struct pg_cdc_call *call = calloc(1, sizeof(*call));

        if (!call) {
                call_refuse(&verb_cdc, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        call->statement = &pg_sql_cdc_look;
        call_add(pg_of(s), &verb_cdc, call, call, (void (*)(void))done, arg);
}
