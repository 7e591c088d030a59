-- SPDX-License-Identifier: Apache-2.0

-- A fresh row's attempts are the message's retries, so that `excluded.attempts` is what the message says in the conflict branch. A lease taken
-- before the owner's last start is one of an earlier process of that name, and void. A job that was cancelled takes along those of its tasks that
-- nobody knew of yet. `offset 0` keeps the planner from working the verdict out anew for each column.
-- part: claim_upsert
insert into chard.task as t (id, root_id, parent_id, name, state, starts, finished_at, attempts, lease_owner, lease_until, started_at, replaced)
select id, root_id, parent_id, name, case when cancelled then 'REVOKED' else 'STARTED' end,
        case when cancelled then 0 else 1 end, case when cancelled then now() end, retries, $1::text, now() + lease_ms * interval '1 ms', now(), nesting
from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::int4[], $7::int8[], $8::int4[])
        as i (id, root_id, parent_id, name, retries, lease_ms, nesting),
lateral (select case when root_id <> id then (select j.error ->> 'code' from chard.job j
        where j.root_id = i.root_id and j.state = 'REVOKED') = 'cancelled' end as cancelled offset 0) as c
on conflict (id) do update set (state, starts, lease_owner, lease_until, started_at, name, replaced) =
        (select case when may then 'STARTED' else t.state end,
                case when may then t.starts + 1 else t.starts end,
                case when may then excluded.lease_owner else t.lease_owner end,
                case when may then excluded.lease_until else t.lease_until end,
                case when may then now() else t.started_at end,
                case when t.name = '' or excluded.replaced > 0 and may then excluded.name else t.name end,
                case when may then excluded.replaced else t.replaced end
        from (select t.state in ('PENDING', 'STARTED', 'RETRY')
                  and (excluded.replaced, excluded.attempts) >= (t.replaced, t.attempts)
                  and (t.state <> 'STARTED' or t.lease_owner is null or t.lease_owner = excluded.lease_owner
                      or t.lease_until <= now() and not exists (select from chard.worker w where w.name = t.lease_owner
                          and w.beat_at > now() - interval '20 s' and w.state -> 'uncommitted' ? t.id)
                      or exists (select from chard.worker w where w.name = t.lease_owner and w.started_at > t.started_at))
                as may offset 0) as verdict)
returning id, starts, attempts, state, started_at = now() and lease_owner = $1 and state = 'STARTED' as granted,
        case when state = 'STARTED' and lease_owner <> $1 then (extract(epoch from lease_until - now()) * 1000)::int8 end,
        case when state = 'SUCCESS' then result end,
        case when state = 'FAILURE' then error::text end, replaced, sends

-- statement: claim on claims
{{claim_upsert}}

-- The job's row is there from its first task on; one that has succeeded goes on when a task comes that nobody here sent: the body of a chord whose
-- header's tasks are jobs of their own, say. One that has failed stays so until somebody requeues it.
-- statement: claim_jobs on claims
with claimed as ({{claim_upsert}}),
wanted as materialized (
        select distinct on (root_id collate "C") root_id, pipeline from unnest($9::text[], $10::text[], $11::text[]) as j (id, root_id, pipeline)
        where case when id in (select c.id from claimed c where c.granted) then true else false end order by root_id collate "C"),
made as (insert into chard.job (root_id, pipeline) select root_id, pipeline from wanted on conflict (root_id) do nothing),
again as (update chard.job set state = 'STARTED', branches = 1, finished_at = null, updated_at = now()
        where root_id = any (array(select root_id from wanted)) and state = 'SUCCESS')
select * from claimed

-- statement: facts on claims
select s.kind, s.owner, (select json_object_agg(f.key, f.value) from chard.fact f where f.kind = s.kind and f.owner = s.owner)::text
from unnest($1::text[], $2::text[]) with ordinality as s (kind, owner, n) order by n
