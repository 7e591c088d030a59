-- SPDX-License-Identifier: Apache-2.0

-- All that can be told of a job now. ?2: with its events, which come with a task's end, so without one they need not be looked for.
-- part: job_marks
with recursive t as materialized (
        {{tasks_of_job(?1)}}),
n (k) as (select 1 union all select k + 1 from n where k < (select min(1000, max(max(starts, attempts))) from t)),
j as (select root_id, pipeline, state, finished_at, error from job where root_id = ?1 union all
        select id, '', state, finished_at, error from t where id = ?1 and not exists (select 1 from job where root_id = ?1)),
marks (at, rank, key, kind, task_id, name, state, attempt, payload) as (
        select case when k = starts then started_at else created_at + 2 * k - 2 end, 1, id || ' start ' || k,
                'task', id, name, 'STARTED', k, null from t join n on k <= starts where started_at is not null
        union all select case when k = attempts and state = 'RETRY' then ?3 else created_at + 2 * k - 1 end, 2,
                id || ' retry ' || k, 'task', id, name, 'RETRY', k, case when k = attempts and state = 'RETRY' then error end
                from t join n on k <= attempts - (state = 'FAILURE')
        union all select finished_at, 3, id || ' ' || state || ' ' || finished_at, 'task', id, name, state,
                max(starts, attempts), case when state = 'FAILURE' then error end
                from t where state in ('SUCCESS', 'FAILURE', 'REVOKED') and finished_at is not null
        union all select created_at, 4, printf('event %s/%s/%010d', aggregate_type, aggregate_id, version), 'event',
                task_id, type, '', 0, payload from (select * from event where ?2 and aggregate_id = ?1 and root_id = ?1
                        union all select * from event where ?2 and root_id = ?1 and root_id <> aggregate_id)
        union all select finished_at, 5, 'job ' || state || ' ' || finished_at, 'job', null, pipeline, state, 0,
                case when state <> 'SUCCESS' then error end
                from j where state in ('SUCCESS', 'FAILURE', 'REVOKED') and finished_at is not null)

-- part: job_unseen
from marks m where not exists (select 1 from job_step s where s.root_id = ?1 and s.key = m.key)

-- statement: follow_unseen
{{job_marks}} select exists (select 1 {{job_unseen}})

-- statement: follow_number
insert into job_step (root_id, position, at, key, kind, task_id, name, state, attempt, payload) {{job_marks}} select ?1, coalesce((select max(position) from job_step where root_id = ?1), 0)
        + row_number() over (order by at, rank, key), at, key, kind, task_id, name, state, attempt, payload {{job_unseen}}

-- statement: follow_steps
-- gives: job_steps
select root_id, position, kind, task_id, name, state, attempt, at, payload, null
from job_step where root_id = ?1 and position > ?2 order by position limit ?3

-- A page looks at so many rows along one index, and no further; the last column is 0 for those that the filter leaves out.
-- part: job_list_head
select root_id, pipeline, state, user_id, created_at, finished_at, error, (?5 = '' or pipeline = ?5) and (?6 = '' or state = ?6)
                and (?7 = '' or user_id = ?7)
                and (?8 = '' or exists (select 1 from task t where t.id = j.root_id and t.name = ?8)
                        or exists (select 1 from task t where t.root_id = j.root_id and t.root_id <> t.id and t.name = ?8))
                and (?9 = '' or instr(lower(document), lower(?9)) > 0)
from job j where (created_at, root_id) < (?1, ?2) and created_at >= ?3

-- part: job_list_tail
order by created_at desc, root_id desc limit ?4

-- statement: job_list_all
{{job_list_head}}
{{job_list_tail}}

-- statement: job_list_open
{{job_list_head}} and state in ('PENDING', 'STARTED', 'RETRY')
{{job_list_tail}}

-- statement: job_list_unlucky
{{job_list_head}} and state in ('FAILURE', 'REVOKED')
{{job_list_tail}}

-- statement: job_list_user
{{job_list_head}} and user_id = ?7
{{job_list_tail}}

-- statement: job_find
-- gives: found
select * from (select root_id, root_id, 'job', pipeline, null, null from job where root_id >= ?1 and root_id < ?2 order by root_id limit 21)
union all select * from (select root_id, id, 'task', name, null, null from task where id >= ?1 and id < ?2 order by id limit 21)
union all select * from (select root_id, task_id, 'dead', name, null, null
        from dead_letter where task_id >= ?1 and task_id < ?2 order by task_id limit 21)
union all select * from (select null, task_id, 'scheduled', reason, properties, due_at
        from scheduled where task_id >= ?1 and task_id < ?2 and task_id is not null order by task_id limit 21)

-- Ids of tasks that nobody has begun stand in the chains of open jobs.
-- statement: job_chained
-- gives: found
select root_id, ?1, 'chain', '', null, null from job where state in ('PENDING', 'STARTED', 'RETRY') and instr(chain, ?1) > 0 limit 21

-- What `load`, `figures` and `examine` are made of; ?1 = now.
-- statement: load_held
select t.lease_owner, count(*), max(t.lease_until)
from (select root_id from job where state in ('PENDING', 'STARTED', 'RETRY') order by created_at limit 10000) j
join task t on t.id = j.root_id or (t.root_id = j.root_id and t.root_id <> t.id)
where t.state = 'STARTED' and t.lease_owner is not null group by 1 order by 1

-- statement: load_scheduled
select count(*), coalesce(sum(due_at < ?1 - 60000000), 0), coalesce(sum(returns > 0), 0), min(due_at) from scheduled

-- statement: load_leases
select name, holder from lease where until > ?1

-- statement: figures_late
select (select max(0, (?1 - min(due_at)) / 1000) from scheduled),
        (select count(*) from (select 1 from dead_letter where state = 'kept' limit 100000))

-- statement: figures_scheduled
select reason, count(*), sum(due_at <= ?1) from scheduled group by reason order by reason

-- statement: figures_workers
select name, state, max(0, (?1 - beat_at) / 1000) from worker order by name

-- statement: examine
select 'SQLite ' || sqlite_version(), (select version from part where name = 'store'), ?1, 0, null, null

-- part: job_trail_waiting
select id, task_id, reason, routing_key, created_at, due_at, returns from scheduled

-- What is told of a job beside its row, its tasks and its events.
-- statement: trail_tasks
select id, lease_owner, lease_until, replaced, chord_part from ({{tasks_of_job(?1)}}) order by created_at, id

-- statement: trail_waiting
select * from (
        {{job_trail_waiting}} where task_id in (select id from ({{tasks_of_job(?1)}})) union {{job_trail_waiting}} where task_id = ?1
        union {{job_trail_waiting}} where root_id = ?1) order by due_at, id

-- part: job_trail_dead
with t as materialized ({{tasks_of_job(?1)}}),
dead as (
        select * from dead_letter where task_id in (select id from t)
        union all select * from dead_letter where task_id = ?1 and not exists (select 1 from t where id = ?1))

-- statement: trail_dead
{{job_trail_dead}}
select entry, task_id, name, state, error_source, error_code, attempts, died_at, kept_at, settled_at from dead order by entry

-- statement: trail_acts
{{job_trail_dead}}
select d.entry, a.at, a.action, a.who, a.reason
from dead d join dead_letter_act c on c.entry = d.entry join dead_letter_audit a on a.id = c.audit order by d.entry, a.id

-- statement: job_ended
select state from (select state, 1 as n from job where root_id = ?1 union all select state, 2 from task where id = ?1)
order by n limit 1

-- statement: job_revoke
insert into task (id, root_id, name, state, finished_at, created_at)
select id, ?1, max(coalesce(name, '')), 'REVOKED', ?2, ?2 from (
        select id, name from ({{tasks_of_job(?1)}})
        union all select ?1, ''
        union all select value ->> '$.options.task_id', value ->> '$.task' from job, json_tree(coalesce(job.chain, '[]'))
                where job.root_id = ?1 and type = 'object')
where id <> '' group by id
on conflict (id) do update set state = 'REVOKED', finished_at = ?2, lease_owner = null, lease_until = null
where state in ('PENDING', 'STARTED', 'RETRY') and root_id = excluded.root_id returning id

-- statement: job_end
insert into job (root_id, state, created_at, updated_at, finished_at, error) values (?1, 'REVOKED', ?2, ?2, ?2,
        json_object('source', 'job', 'code', 'cancelled', 'message', 'the job was cancelled'))
on conflict (root_id) do update set state = 'REVOKED', finished_at = ?2, updated_at = ?2, error = excluded.error
