/* SPDX-License-Identifier: Apache-2.0 */
/* revoke: tasks that must never run, whether they are here already or not; one statement a group. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#include <string.h>

static const char *revoke_id(const struct pg_call *call)
{
        return ((const struct revocation *)call->what)->id;
}

static int send_revokes(struct pg_link *link, struct pg_group *group)
{
        struct pg_arguments *a = &link->store->arguments;
        struct column *id, *root, *parent, *name, *pipeline, *ours;

        arguments_reset(a);
        id = arguments_array(a, COLUMN_TEXT);
        root = arguments_array(a, COLUMN_TEXT);
        parent = arguments_array(a, COLUMN_TEXT);
        name = arguments_array(a, COLUMN_TEXT);
        pipeline = arguments_array(a, COLUMN_TEXT);
        ours = arguments_array(a, COLUMN_TEXT);
        for (size_t i = 0; i < group->count; i++) {
                const struct revocation *r = group->calls[i]->what;

                column_text(id, r->id);
                column_text(root, r->root_id);
                column_text(parent, r->parent_id);
                column_text(name, r->name);
                column_text(pipeline, r->pipeline);
                if (r->ours)
                        column_text(ours, r->id);
        }
        arguments_text(a, link->store->config.owner);
        return pg_link_send_once(link, group, &pg_sql_revoke);
}

/* Its ids come back in strcmp's order, which is the group's. */
static void answer_revokes(struct pg_link *link, struct pg_group *group)
{
        const PGresult *r = group->results[0];
        int row = 0;

        for (size_t i = 0; i < group->count; i++) {
                struct pg_call *call = group_take(group, i);
                const bool marked = call && row < PQntuples(r) && strcmp(field_text(r, row, 0), revoke_id(call)) == 0;

                row += marked;
                if (call)
                        call_done(link->store, call, marked ? STORE_DONE : STORE_ALREADY, bytes_of(NULL, 0));
        }
}

const struct pg_verb verb_revoke = {
        .lane = LANE_REVOKE,
        .link = PG_LINK_COMMITS,
        .most = GROUP_CALLS_MAX,
        .id = revoke_id,
        .send = send_revokes,
        .answer = answer_revokes,
        .refuse = refuse_done,
};

void pg_revoke(struct store *s, const struct revocation *revocation, store_done *done, void *arg)
{
        call_add(pg_of(s), &verb_revoke, revocation, NULL, (void (*)(void))done, arg);
}
