/* SPDX-License-Identifier: Apache-2.0 */
/* Leases that a fleet has among itself. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#include <stdlib.h>
#include <string.h>

struct pg_lease_call {
        const char *name, *holder, *token; /* behind the struct */
        unsigned lease_ms;
};

static int send_lease(struct pg_link *link, struct pg_group *group)
{
        const struct pg_lease_call *call = group->calls[0]->what;
        struct pg_arguments *a = &link->store->arguments;

        arguments_reset(a);
        arguments_text(a, call->name);
        arguments_text(a, call->holder);
        arguments_text(a, call->token);
        arguments_number(a, call->lease_ms);
        return pg_link_send_once(link, group, &pg_sql_lease_take);
}

/* Who asks can ask again, and by then knows better. */
const struct pg_verb verb_lease = {
        .lane = LANE_LEASE,
        .link = PG_LINK_COMMITS,
        .most = 1,
        .tries = 1,
        .send = send_lease,
        .answer = answer_rows,
        .refuse = refuse_json,
};

static const char *lease_text(char **at, const char *text)
{
        const size_t size = strlen(text) + 1;
        const char *copy = memcpy(*at, text, size);

        *at += size;
        return copy;
}

void pg_lease(struct store *s, const struct lease_ask *ask, json_done *done, void *arg)
{
        struct pg_lease_call *call =
                malloc(sizeof(*call) + strlen(ask->name) + strlen(ask->holder) + strlen(ask->token) + 3);
        char *at;

        if (!call) {
                call_refuse(&verb_lease, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        at = (char *)(call + 1);
        call->name = lease_text(&at, ask->name);
        call->holder = lease_text(&at, ask->holder);
        call->token = lease_text(&at, ask->token);
        call->lease_ms = ask->lease_ms;
        call_add(pg_of(s), &verb_lease, call, call, (void (*)(void))done, arg);
}
