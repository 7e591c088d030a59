/* SPDX-License-Identifier: Apache-2.0 */
/* Taking in what another store held. Each statement passes over what is there already and as new, so that it may be repeated; where the source
 * went on between two times, the later row counts. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#include <stdlib.h>

static const struct statement *const of_kind[CARRY_KINDS] = {
        [CARRY_JOBS] = &pg_sql_carry_jobs,           [CARRY_TASKS] = &pg_sql_carry_tasks,
        [CARRY_EVENTS] = &pg_sql_carry_events,       [CARRY_FACTS] = &pg_sql_carry_facts,
        [CARRY_INBOX] = &pg_sql_carry_inbox,         [CARRY_AUDITS] = &pg_sql_carry_audits,
        [CARRY_ONCE] = &pg_sql_carry_once,           [CARRY_KEYS] = &pg_sql_carry_keys,
        [CARRY_DEAD] = &pg_sql_carry_dead,           [CARRY_UNTOLD] = &pg_sql_carry_untold,
        [CARRY_SCHEDULED] = &pg_sql_carry_scheduled, [CARRY_WEBHOOKS] = &pg_sql_carry_webhooks,
};

struct pg_carry_call {
        enum carried kind;
        char *rows; /* behind the struct */
};

/* Few processes ever do this: nothing is prepared for it. */
static int send_carry(struct pg_link *link, struct pg_group *group)
{
        const struct pg_carry_call *call = group->calls[0]->what;

        arguments_reset(&link->store->arguments);
        arguments_text(&link->store->arguments, call->rows);
        return pg_link_send_once(link, group, of_kind[call->kind]);
}

const struct pg_verb verb_carry = {
        .lane = LANE_CARRY,
        .link = PG_LINK_COMMITS,
        .most = 1,
        .send = send_carry,
        .answer = answer_rows,
        .refuse = refuse_json,
};

void pg_carry_in(struct store *s, enum carried kind, const json_t *rows, json_done *done, void *arg)
{
        const size_t size = json_dumpb(rows, NULL, 0, JSON_COMPACT);
        struct pg_carry_call *call = malloc(sizeof(*call) + size + 1);

        if (!call || size == 0) {
                free(call);
                call_refuse(&verb_carry, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        call->kind = kind;
        call->rows = (char *)(call + 1);
        json_dumpb(rows, call->rows, size, JSON_COMPACT);
        call->rows[size] = '\0';
        call_add(pg_of(s), &verb_carry, call, call, (void (*)(void))done, arg);
}
