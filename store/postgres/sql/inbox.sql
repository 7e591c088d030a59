-- SPDX-License-Identifier: Apache-2.0
-- An event's effects, once: nothing happens where the consumer's row is there already. Facts that are written once come first; what an item wrote that
-- came to nothing is taken back.

-- statement: inbox_once
insert into chard.fact (once, task_id, kind, owner, key, value)
select true, task_id, kind, owner, key, value
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[]) with ordinality
        as g (task_id, kind, owner, key, consumer, event_id, value, n)
where not exists (select from chard.inbox i where i.consumer = g.consumer and i.event_id = g.event_id)
order by {{fact_order}}, n
on conflict (kind, owner, key) do nothing

-- statement: inbox
with i as materialized (
        select consumer, event_id, consumer || '/' || event_id as id from unnest($1::text[], $2::text[]) as i (consumer, event_id)),
{{stale($3, $4, $5, $6)}},
done as (
        insert into chard.inbox (consumer, event_id)
        select consumer, event_id from i
        where case when id in (select task_id from stale) then false else true end
        order by consumer collate "C", event_id collate "C"
        on conflict (consumer, event_id) do nothing
        returning consumer || '/' || event_id as id),
{{append_events($7, $8, $9, $10, $11, $12, $13)}},
{{merge_facts($14, $15, $16, $17, $18)}},
scheduled as (
        {{scheduled_rows($19, $20, $21, $22, $23, $24, $25, $26, $27, $28)}}
        where case when s.of in (select id from done) then true else false end
        on conflict (key) do nothing)
select id, true from done
union all
select i.id, false from i
where i.id in (select task_id from stale)
  and not exists (select from chard.inbox b where b.consumer = i.consumer and b.event_id = i.event_id)

-- Takes back what this transaction wrote for an event whose row is not its own: a consumer that came first is seen here, though it was not when the
-- facts were written.
-- statement: inbox_undo_once
delete from chard.fact
where ctid = any (array(
        select ({{fact_written_here}})
        from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
                as g (task_id, kind, owner, key, consumer, event_id)
        where not exists (select from chard.inbox i where i.consumer = g.consumer and i.event_id = g.event_id
                and i.xmin = pg_current_xact_id()::xid)))
