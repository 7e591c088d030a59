-- SPDX-License-Identifier: Apache-2.0
-- What a task's commit and an event's effects share. Both name those that count in `done (id)`.
--
-- Conditions of the form `case when x in (select …) then true else false end` keep the planner from turning them into joins: they are looked up in a
-- hash whatever it believes about the sizes.

-- The same everywhere, so that two transactions that write the same facts wait for one another instead of locking each other out.
-- part: fact_order
kind collate "C", owner collate "C", key collate "C"

-- Where the fact g is that this transaction wrote.
-- part: fact_written_here
select f.ctid from chard.fact f where f.kind = g.kind and f.owner = g.owner and f.key = g.key and f.task_id = g.task_id
and f.xmin = pg_current_xact_id()::xid

-- Facts that are written once and are somebody else's already: who wanted to write them is stale.
-- part: stale(task, kind, owner, key)
stale as (
        select g.task_id
        from unnest({{task}}::text[], {{kind}}::text[], {{owner}}::text[], {{key}}::text[]) as g (task_id, kind, owner, key)
        where (select f.task_id from chard.fact f where f.kind = g.kind and f.owner = g.owner and f.key = g.key) is distinct from g.task_id)

-- What `e` has goes into `event`, with the next versions of its aggregates, and into `outbox`.
-- part: record_events
recorded as (
        insert into chard.event (id, aggregate_type, aggregate_id, type, root_id, task_id, payload, version)
        select id, aggregate_type, aggregate_id, type, root_id, task_id, payload,
               coalesce((select max(p.version) from chard.event p
                         where p.aggregate_id = e.aggregate_id and p.aggregate_type = e.aggregate_type), 0)
               + row_number() over (partition by aggregate_type, aggregate_id order by n)
        from e),
sent as (
        insert into chard.outbox (id, aggregatetype, aggregateid, type, payload, tracingspancontext)
        select id, aggregate_type, aggregate_id, type, payload, trace from e order by n)

-- part: append_events(task, root, aggregate_type, aggregate_id, type, payload, trace)
e as materialized (
        select gen_random_uuid() as id, v.*
        from unnest({{task}}::text[], {{root}}::text[], {{aggregate_type}}::text[], {{aggregate_id}}::text[], {{type}}::text[],
                    {{payload}}::jsonb[], {{trace}}::text[]) with ordinality
                as v (task_id, root_id, aggregate_type, aggregate_id, type, payload, trace, n)
        where case when v.task_id in (select id from done) then true else false end),
{{record_events}}

-- part: merge_facts(task, kind, owner, key, value)
merged as (
        insert into chard.fact as f (once, kind, owner, key, task_id, value)
        select distinct on ({{fact_order}}) false, kind, owner, key, task_id, value
        from unnest({{task}}::text[], {{kind}}::text[], {{owner}}::text[], {{key}}::text[], {{value}}::jsonb[]) with ordinality
                as w (task_id, kind, owner, key, value, n)
        where case when w.task_id in (select id from done) then true else false end
        order by {{fact_order}}, n desc
        on conflict (kind, owner, key) do update set value = excluded.value, task_id = excluded.task_id, at = now()
        where not f.once)
