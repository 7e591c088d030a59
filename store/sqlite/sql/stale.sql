-- SPDX-License-Identifier: Apache-2.0

-- A task that was claimed within the limit may wait in the broker for its next try: after an outage, say.
-- statement: stale_find
-- gives: stale
with judged as (
        select *, ?1 - coalesce((select value from json_each(?2) where key = j.pipeline),
                (select value from json_each(?2) where key = '')) as since
        from job j where state in ('PENDING', 'STARTED', 'RETRY')),
open as materialized (select * from judged where updated_at < since),
stuck as materialized (
        select * from open o where root_id not in (select root_id from scheduled where root_id is not null)
                and root_id not in (select task_id from scheduled where task_id is not null) and not exists (
                        select 1 from ({{tasks_of_job(o.root_id)}}) t
                        where (t.state = 'STARTED' and t.lease_until > ?1)
                                or (t.state in ('PENDING', 'STARTED', 'RETRY') and t.started_at >= o.since)
                                or t.id in (select task_id from scheduled where task_id is not null))
        order by updated_at, root_id limit ?3)
select s.root_id, s.pipeline, s.state, s.updated_at, s.since, s.restarts, s.document, l.id, l.name, l.parent_id, l.result,
        case when l.id is not null then s.chain end
from stuck s left join task l on l.id = s.last_task and l.state = 'SUCCESS' and s.chain is not null
        and not exists (select 1 from task n where n.root_id = s.root_id and n.root_id <> n.id and n.parent_id = l.id)
order by s.updated_at, s.root_id

-- Left alone when it has ended or moved since it was found, was claimed (at ?3 the lease lives, or it was at ?5 or later), or
-- has a message scheduled.
-- part: stale_unmoved
where root_id = ?1 and updated_at = ?2 and state in ('PENDING', 'STARTED', 'RETRY')
and not exists (select 1 from scheduled s where s.root_id = ?1 or s.task_id = ?1) and not exists (
        select 1 from ({{tasks_of_job(?1)}}) t
        where (t.state = 'STARTED' and t.lease_until > ?3)
                or (t.state in ('PENDING', 'STARTED', 'RETRY') and t.started_at >= ?5)
                or exists (select 1 from scheduled s where s.task_id = t.id))

-- statement: stale_restart
update job set restarts = restarts + ?4, error = null, finished_at = null, updated_at = ?3 {{stale_unmoved}}

-- statement: stale_fail
update job set state = 'FAILURE', error = ?4, finished_at = ?3, updated_at = ?3 {{stale_unmoved}}

-- statement: stale_tasks
update task set state = 'FAILURE', finished_at = ?2, lease_owner = null, lease_until = null,
        error = (select error from job where root_id = ?1)
where id in (select id from ({{tasks_of_job(?1)}}))
        and state in ('PENDING', 'STARTED', 'RETRY')

-- statement: stale_missing
insert into task (id, root_id, name, state, error, created_at, finished_at)
values (?1, ?2, ?3, 'FAILURE', (select error from job where root_id = ?2), ?4, ?4) on conflict (id) do nothing
