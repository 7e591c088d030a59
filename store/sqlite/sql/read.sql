-- SPDX-License-Identifier: Apache-2.0

-- A job's first task has its id; the others are found through a partial index.
-- part: tasks_of_job(job)
select * from task where id = {{job}} union all select * from task where root_id = {{job}} and root_id <> id

-- part: outbox_page
select cast(position as text), id, aggregatetype, aggregateid, type, payload, created_at, tracingspancontext, backfill
from outbox where position > ?1 order by position limit ?2

-- statement: events
-- gives: outbox
{{outbox_page}}

-- statement: events_text
-- gives: outbox_text
{{outbox_page}}

-- statement: event_add
insert into event (id, aggregate_type, aggregate_id, version, type, root_id, task_id, created_at, payload)
values (?1, ?2, ?3,
        coalesce((select max(version) from event where aggregate_id = ?3 and aggregate_type = ?2), 0) + 1,
        ?4, ?5, ?6, ?7, ?8)

-- statement: outbox_add
insert into outbox (id, aggregatetype, aggregateid, type, created_at, payload, tracingspancontext)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7)

-- A task without a job row is a job of one.
-- statement: job
select ?1, pipeline, state, document, error, created_at, finished_at from job where root_id = ?1
union all select ?1, '', state, null, error, created_at, finished_at from task
        where id = ?1 and not exists (select 1 from job where root_id = ?1)

-- statement: job_tasks
select id, parent_id, name, state, attempts, starts, provider, model, tokens_in, tokens_out, cost_nano, elapsed_ms, error,
        created_at, started_at, finished_at
from ({{tasks_of_job(?1)}})
order by created_at, id

-- statement: job_events
select id, aggregate_type, aggregate_id, type, version, payload, created_at
from (select * from event where aggregate_id = ?1 and root_id = ?1
        union all select * from event where root_id = ?1 and root_id <> aggregate_id)
order by created_at, aggregate_type, aggregate_id, version

-- part: worker_row
name, state, started_at, beat_at, max(0, (?1 - beat_at) / 1000)

-- statement: worker
-- gives: worker
select {{worker_row}} from worker where name = ?2

-- statement: workers
-- gives: workers
select {{worker_row}} from worker order by name

-- statement: beat
insert into worker (name, state, started_at, beat_at) values (?1, ?2, ?3, ?3)
on conflict (name) do update set state = excluded.state, beat_at = ?3

-- statement: silent_workers
-- gives: worker_names
select name from worker where beat_at < ?1 order by name

-- statement: forget_workers
delete from worker where beat_at < ?1

-- statement: upcoming
-- gives: upcoming
select due_at, exchange, routing_key, properties, body from scheduled
where task_id is not null and length(body) <= 65536 order by due_at limit 100

-- What begins alike may be another group's, whose id holds a colon: whoever reads it looks.
-- statement: chord_parts
-- gives: chord_parts
select id, chord_part, state, result, error, sends from task
where chord_part >= ?1 || ':' and chord_part < ?1 || ';' and state in ('SUCCESS', 'FAILURE')
