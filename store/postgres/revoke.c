/* SPDX-License-Identifier: Apache-2.0 */
/* revoke: a task that must never run, whether it is here already or not. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

/* One that runs under somebody's lease stays his, one that has ended stays as it is. A row made before the message came
 * learns from it whose it is. Its job ends with it. */
static const char sql[] =
        "with done as ("
        "  insert into chard.task as t (id, root_id, parent_id, name, state, finished_at)"
        "  values ($2::text, $3::text, nullif($4::text, ''), $5::text, 'REVOKED', now())"
        "  on conflict (id) do update set state = 'REVOKED', lease_owner = null, lease_until = null,"
        "   finished_at = coalesce(t.finished_at, now()), name = case when t.name = '' then excluded.name else t.name end,"
        "   root_id = case when t.name = '' then excluded.root_id else t.root_id end,"
        "   parent_id = coalesce(t.parent_id, excluded.parent_id)"
        "  where t.state in ('PENDING', 'RETRY', 'REVOKED') or (t.state = 'STARTED' and (t.lease_owner is null"
        "   or t.lease_until <= now() or t.lease_owner = $1::text))"
        "  returning t.root_id),"
        " made as ("
        "  insert into chard.job (root_id, pipeline, state, finished_at)"
        "  select root_id, $6::text, 'REVOKED', now() from done where $6::text <> '-'"
        "  on conflict (root_id) do update set state = 'REVOKED', finished_at = now(), updated_at = now()"
        "  where chard.job.state in ('PENDING', 'STARTED', 'RETRY'))"
        " update chard.job set state = 'REVOKED', finished_at = now(), updated_at = now()"
        "  where $6::text = '-' and root_id in (select root_id from done) and state in ('PENDING', 'STARTED', 'RETRY')";

static int send_revoke(struct link *link, struct group *group)
{
        const struct revocation *r = group->calls[0]->what;
        struct arguments *a = &link->store->arguments;

        arguments_reset(a);
        arguments_text(a, r->ours ? link->store->config.owner : "");
        arguments_text(a, r->id);
        arguments_text(a, r->root_id);
        arguments_text(a, r->parent_id ? r->parent_id : "");
        arguments_text(a, r->name);
        arguments_text(a, r->pipeline ? r->pipeline : "-");
        return link_send_once(link, group, sql);
}

const struct verb verb_revoke = {
        .lane = LANE_REVOKE,
        .link = LINK_COMMITS,
        .most = 1,
        .send = send_revoke,
        .answer = answer_done,
        .refuse = refuse_done,
};

void pg_revoke(struct store *s, const struct revocation *revocation, store_done *done, void *arg)
{
        call_add(pg_of(s), &verb_revoke, revocation, NULL, (void (*)(void))done, arg);
}
