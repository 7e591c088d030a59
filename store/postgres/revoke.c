/* SPDX-License-Identifier: Apache-2.0 */
/* revoke: tasks that must never run, whether they are here already or not; one statement a group. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

/* One that runs under somebody's lease stays his, one that has ended stays as it is. A row made before the message came
 * learns from it whose it is. Its job ends with it. $6: the ids of those that ran under our own lease. */
static const char sql[] =
        "with i as materialized ("
        "  select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])"
        "   as i (id, root_id, parent_id, name, pipeline)),"
        " done as ("
        "  insert into chard.task as t (id, root_id, parent_id, name, state, finished_at)"
        "  select id, root_id, parent_id, name, 'REVOKED', now() from i"
        "  on conflict (id) do update set state = 'REVOKED', lease_owner = null, lease_until = null,"
        "   finished_at = coalesce(t.finished_at, now()), name = case when t.name = '' then excluded.name else t.name end,"
        "   root_id = case when t.name = '' then excluded.root_id else t.root_id end,"
        "   parent_id = coalesce(t.parent_id, excluded.parent_id)"
        "  where t.state in ('PENDING', 'RETRY', 'REVOKED') or (t.state = 'STARTED' and (t.lease_owner is null"
        "   or t.lease_until <= now() or (t.lease_owner = $7::text and t.id = any ($6::text[]))))"
        "  returning t.id, t.root_id),"
        " made as ("
        "  insert into chard.job (root_id, pipeline, state, finished_at)"
        "  select distinct on (root_id collate \"C\") root_id, pipeline, 'REVOKED', now() from i"
        "  where pipeline is not null and case when id in (select id from done) then true else false end"
        "  order by root_id collate \"C\""
        "  on conflict (root_id) do update set state = 'REVOKED', finished_at = now(), updated_at = now()"
        "  where chard.job.state in ('PENDING', 'STARTED', 'RETRY'))"
        " update chard.job set state = 'REVOKED', finished_at = now(), updated_at = now()"
        "  where root_id = any (array(select root_id from done"
        "   where case when root_id in (select root_id from i where pipeline is not null) then false else true end))"
        "  and state in ('PENDING', 'STARTED', 'RETRY')";

static const char *revoke_id(const struct call *call)
{
        return ((const struct revocation *)call->what)->id;
}

static int send_revokes(struct link *link, struct group *group)
{
        struct arguments *a = &link->store->arguments;
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
        return link_send_once(link, group, sql);
}

const struct verb verb_revoke = {
        .lane = LANE_REVOKE,
        .link = LINK_COMMITS,
        .most = GROUP_CALLS_MAX,
        .id = revoke_id,
        .send = send_revokes,
        .answer = answer_done,
        .refuse = refuse_done,
};

void pg_revoke(struct store *s, const struct revocation *revocation, store_done *done, void *arg)
{
        call_add(pg_of(s), &verb_revoke, revocation, NULL, (void (*)(void))done, arg);
}
