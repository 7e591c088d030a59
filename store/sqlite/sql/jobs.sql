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
select json_object('job', root_id, 'position', position, 'kind', kind, 'task_id', task_id, 'name', name,
        'state', state, 'attempt', attempt, 'at', {{iso(at)}}, 'payload', json(payload))
from job_step where root_id = ?1 and position > ?2 order by position limit ?3

-- A page looks at so many rows along one index, and no further; the third column is NULL for those that the filter leaves out.
-- part: job_list_head
select created_at, root_id, case when (?5 = '' or pipeline = ?5) and (?6 = '' or state = ?6)
                and (?7 = '' or user_id = ?7)
                and (?8 = '' or exists (select 1 from task t where t.id = j.root_id and t.name = ?8)
                        or exists (select 1 from task t where t.root_id = j.root_id and t.root_id <> t.id and t.name = ?8))
                and (?9 = '' or instr(lower(document), lower(?9)) > 0)
        then json_object('id', root_id, 'pipeline', pipeline, 'state', state, 'user_id', user_id,
                'created_at', {{iso(created_at)}}, 'finished_at', {{iso(finished_at)}}, 'error', json(error)) end
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

-- part: job_found(job, id, kind, name, properties, due)
json_object('job', {{job}}, 'id', {{id}}, 'kind', {{kind}}, 'name', {{name}}, 'properties', {{properties}}, 'due_ms', {{due}})

-- statement: job_find
select * from (select {{job_found(root_id, root_id, 'job', pipeline, null, null)}}
        from job where root_id >= ?1 and root_id < ?2 order by root_id limit 21)
union all select * from (select {{job_found(root_id, id, 'task', name, null, null)}}
        from task where id >= ?1 and id < ?2 order by id limit 21)
union all select * from (select {{job_found(root_id, task_id, 'dead', name, null, null)}}
        from dead_letter where task_id >= ?1 and task_id < ?2 order by task_id limit 21)
union all select * from (select {{job_found(null, task_id, 'scheduled', reason, hex(properties), due_at / 1000)}}
        from scheduled where task_id >= ?1 and task_id < ?2 and task_id is not null order by task_id limit 21)

-- Ids of tasks that nobody has begun stand in the chains of open jobs.
-- statement: job_chained
select {{job_found(root_id, ?1, 'chain', '', null, null)}} from job where state in ('PENDING', 'STARTED', 'RETRY') and instr(chain, ?1) > 0 limit 21

-- statement: load
select json_object('held', (select json_group_array(json_object('owner', lease_owner, 'count', n, 'until', {{iso(until)}}))
                from (select t.lease_owner, count(*) as n, max(t.lease_until) as until
                        from (select root_id from job where state in ('PENDING', 'STARTED', 'RETRY') order by created_at limit 10000) j
                        join task t on t.id = j.root_id or (t.root_id = j.root_id and t.root_id <> t.id)
                        where t.state = 'STARTED' and t.lease_owner is not null group by 1 order by 1)),
        'workers', (select json_group_array(json_object('name', name, 'state', json(state), 'started_at', {{iso(started_at)}},
                'beat_at', {{iso(beat_at)}}, 'age_ms', max(0, (?1 - beat_at) / 1000))) from (select * from worker order by name)),
        'scheduled', (select json_object('count', count(*), 'overdue', sum(due_at < ?1 - 60000000), 'unroutable', sum(returns > 0), 'oldest_due_ms', min(due_at) / 1000)
                from scheduled),
        'leases', (select json_group_object(name, holder) from lease where until > ?1))

-- statement: figures
select json_object('scheduled', (select json_group_array(json_object('reason', reason, 'count', n, 'due', due))
                from (select reason, count(*) as n, sum(due_at <= ?1) as due from scheduled group by reason order by reason)),
        'late_ms', (select max(0, (?1 - min(due_at)) / 1000) from scheduled),
        'dead', (select count(*) from (select 1 from dead_letter where state = 'kept' limit 100000)),
        'workers', (select json_group_array(json_object('name', name, 'state', json(state), 'age_ms', max(0, (?1 - beat_at) / 1000)))
                from (select * from worker order by name)),
        'slots', json_array())

-- statement: examine
select json_object('server', 'SQLite ' || sqlite_version(), 'schema', (select version from part where name = 'store'), 'now_us', ?1,
        'standby', json('false'), 'connections', null, 'connections_max', null, 'slots', json_array())

-- part: job_trail_waiting
select id, task_id, reason, routing_key, created_at, due_at, returns from scheduled

-- What is told of a job beside its row, its tasks and its events.
-- statement: job_trail
with t as materialized (
        {{tasks_of_job(?1)}}),
waiting as (
        {{job_trail_waiting}} where task_id in (select id from t) union {{job_trail_waiting}} where task_id = ?1
        union {{job_trail_waiting}} where root_id = ?1),
dead as (
        select * from dead_letter where task_id in (select id from t)
        union all select * from dead_letter where task_id = ?1 and not exists (select 1 from t where id = ?1))
select json_object(
        'tasks', (select json_group_array(json_object('id', id, 'owner', lease_owner, 'until_ms', lease_until / 1000, 'replaced', replaced,
                'part', chord_part)) from (select * from t order by created_at, id)),
        'waiting', (select json_group_array(json_object('id', id, 'task_id', task_id, 'reason', reason, 'routing_key', routing_key,
                'created_ms', created_at / 1000, 'due_ms', due_at / 1000, 'returns', returns)) from (select * from waiting order by due_at, id)),
        'dead', (select json_group_array(json_object('entry', entry, 'task_id', task_id, 'name', name, 'state', state, 'source', error_source,
                'code', error_code, 'attempts', attempts, 'died_ms', died_at / 1000, 'kept_ms', kept_at / 1000, 'settled_ms', settled_at / 1000,
                'acts', (select json_group_array(json_object('at_ms', at / 1000, 'action', action, 'who', who, 'reason', reason))
                        from (select a.* from dead_letter_act c join dead_letter_audit a on a.id = c.audit where c.entry = d.entry order by a.id))))
                from (select * from dead order by entry) d))

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
