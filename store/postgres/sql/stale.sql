-- SPDX-License-Identifier: Apache-2.0

-- What waits in `scheduled` is read once, by its task and, where that may have no row, by its job; the tasks of a job through their indexes. A task that was claimed within the limit may wait in the broker
-- for its next try: after an outage, say.
-- statement: stale_find on dead
-- gives: stale
with limits as materialized (select * from unnest($1::text[], $2::int8[]) as l (pipeline, ms)),
waits as materialized (
        select task_id as id from chard.scheduled where task_id is not null
        union
        select root_id from chard.scheduled where root_id is not null),
open as materialized (
        select j.*, a.since from chard.job j, lateral (select now() - coalesce((select l.ms from limits l where l.pipeline = j.pipeline),
                (select l.ms from limits l where l.pipeline = '')) * interval '1 ms' as since) a
        where j.state in ('PENDING', 'STARTED', 'RETRY') and j.updated_at < a.since),
stuck as materialized (
        select o.* from open o where case when o.root_id in (select id from waits) then false else true end and not exists (
                        select from ({{tasks_of_job(o.root_id)}} offset 0) t
                        where (t.state = 'STARTED' and t.lease_until > now())
                                or (t.state in ('PENDING', 'STARTED', 'RETRY') and t.started_at >= o.since)
                                or case when t.id in (select id from waits) then true else false end)
        order by o.updated_at, o.root_id limit $3::int8)
select s.root_id, s.pipeline, s.state, (extract(epoch from s.updated_at) * 1000000)::int8, floor(extract(epoch from s.since) * 1000000)::int8,
        s.restarts, s.document, l.id, l.name, l.parent_id, l.result, case when l.id is not null then s.chain end
from stuck s left join lateral (
        select k.id, k.name, k.parent_id, k.result from chard.task k
        where k.id = s.last_task and k.state = 'SUCCESS' and s.chain is not null
                and (select n.id from chard.task n where n.root_id = s.root_id and n.root_id <> n.id and n.parent_id = k.id limit 1) is null
        offset 0) l on true
order by s.updated_at, s.root_id

-- What may not change between the last look at the jobs and what is done to them: their tasks, then they themselves, each in the order in which
-- claims, commits and requeues take them, so that nobody deadlocks.
-- statement: stale_lock_tasks on dead
select from chard.task where id = any (array(
        select t.id from unnest($1::text[]) as r (job), lateral ({{tasks_of_job(r.job)}} offset 0) t)) order by id for update

-- statement: stale_lock_jobs on dead
select from chard.job where root_id = any ($1::text[]) order by root_id collate "C" for update

-- One sweeper at a time; whoever does not get the lock does nothing, and finds the rest on its next round. A job of which a
-- task was claimed since it was found (or within its limit before that), or has a message scheduled, is none of the stale ones any more.
-- statement: stale_settle on dead
with lock as materialized (select pg_try_advisory_xact_lock(hashtextextended('chard.sweep', 0)) as mine),
i as materialized (
        select * from unnest($1::text[], $2::int8[], $3::int8[], $4::jsonb[], $5::text[], $6::text[], $7::jsonb[],
                        $15::int8[])
                with ordinality as i (root_id, updated_us, restart, error, aggregate_type, type, payload, since_us, n)),
m as materialized (
        select * from unnest($8::int8[], $9::text[], $10::text[], $11::text[], $12::text[], $13::bytea[], $14::bytea[])
                with ordinality as m (n, task_id, name, exchange, routing_key, properties, body, place)),
j as materialized (
        select i.*, o.pipeline, o.restarts from i, lock, lateral (select * from chard.job x where x.root_id = i.root_id
                and x.state in ('PENDING', 'STARTED', 'RETRY') and (extract(epoch from x.updated_at) * 1000000)::int8 = i.updated_us
                offset 0) o where lock.mine
                and (select w.id from chard.scheduled w where w.root_id = i.root_id limit 1) is null
                and (select w.id from chard.scheduled w where w.task_id = i.root_id limit 1) is null and not exists (
                select from ({{tasks_of_job(i.root_id)}} offset 0) t
                where (t.state = 'STARTED' and t.lease_until > now())
                        or (t.state in ('PENDING', 'STARTED', 'RETRY')
                                and t.started_at >= timestamptz 'epoch' + i.since_us * interval '1 us')
                        or (select w.id from chard.scheduled w where w.task_id = t.id limit 1) is not null)),
jobs as (
        update chard.job b set state = case when f.error is null then b.state else 'FAILURE' end, error = f.error,
                finished_at = case when f.error is not null then now() end, updated_at = now(),
                restarts = b.restarts + f.restart
        from (select root_id as id, restart, case when restart = 0 then error end as error from j offset 0) f
        where b.root_id = f.id and b.root_id = any ($1)
                and b.state in ('PENDING', 'STARTED', 'RETRY') and (extract(epoch from b.updated_at) * 1000000)::int8 =
                        (select updated_us from j where j.root_id = b.root_id)
        returning b.root_id),
failed as materialized (select * from j where error is not null and root_id in (select root_id from jobs)),
tasks as (
        update chard.task set state = 'FAILURE', finished_at = now(), lease_owner = null, lease_until = null,
                error = (select f.error from failed f where f.root_id = chard.task.root_id)
        where id = any (array(select t.id from failed f, lateral ({{tasks_of_job(f.root_id)}} offset 0) t
                where t.state in ('PENDING', 'STARTED', 'RETRY')))),
missing as (
        insert into chard.task (id, root_id, name, state, error, finished_at)
        select m.task_id, f.root_id, coalesce(m.name, ''), 'FAILURE', f.error, now() from failed f, m
        where m.n = f.n and m.task_id is not null on conflict (id) do nothing),
e as materialized (
        select gen_random_uuid() as id, coalesce((select m.task_id from m where m.n = f.n order by m.place limit 1), root_id) as task_id,
               root_id, aggregate_type, root_id as aggregate_id, type, payload, null as trace, n
        from failed f where type is not null),
{{record_events}},
again as (
        insert into chard.scheduled (key, due_at, exchange, routing_key, reason, task_id, properties, body, root_id)
        select md5(j.root_id || ' restart ' || j.restarts || ' ' || m.task_id)::uuid, now(), m.exchange, m.routing_key, 'restart',
                m.task_id, m.properties, m.body, j.root_id
        from j, m where m.n = j.n and j.restart <> 0 and m.exchange is not null and j.root_id in (select root_id from jobs)
        order by m.place on conflict (key) do nothing)
select root_id from jobs
