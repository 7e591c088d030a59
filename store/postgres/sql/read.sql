-- SPDX-License-Identifier: Apache-2.0

-- A job's first task has its id; the others are found through a partial index.
-- part: tasks_of_job(job)
select * from chard.task where id = {{job}} union all select * from chard.task where root_id = {{job}} and root_id <> id

-- part: outbox_page
select xact || '.' || number, id::text, aggregatetype, aggregateid, type, payload::text, created_at, tracingspancontext, backfill
from chard.outbox
where (xact, number) > ($1::text::xid8, $2) and xact < pg_snapshot_xmin(pg_current_snapshot())
order by xact, number limit $3

-- statement: events on claims
-- gives: outbox
{{outbox_page}}

-- statement: events_text on claims
-- gives: outbox_text
{{outbox_page}}

-- Tasks and events of a job are found through the partial indexes, but for the one task that has the job's id and the events about the job itself,
-- which the primary keys find. A task without a job row is a job of one.
-- statement: job on claims
-- gives: job
with tasks as materialized ({{tasks_of_job($1)}}),
events as materialized (
        select * from chard.event where aggregate_id = $1 and root_id = $1 union all
        select * from chard.event where root_id = $1 and root_id <> aggregate_id)
(select 0, row($1::text, pipeline, state, document, error, created_at, finished_at) from chard.job where root_id = $1 union all
        select 0, row($1::text, '', state, null, error, created_at, finished_at) from tasks
        where id = $1 and not exists (select from chard.job where root_id = $1))
union all
(select 1, row(id, parent_id, name, state, attempts, starts, provider, model, tokens_in, tokens_out, cost_nano, elapsed_ms, error,
        created_at, started_at, finished_at) from tasks order by created_at, id)
union all
(select 2, row(id::text, aggregate_type, aggregate_id, type, version, payload, created_at) from events
        order by created_at, aggregate_type, aggregate_id, version)

-- part: age_ms(since)
greatest(0, (extract(epoch from clock_timestamp() - {{since}}) * 1000)::int8)

-- part: worker_row
name, state, started_at, beat_at, {{age_ms(beat_at)}}

-- statement: worker on claims
-- gives: worker
select {{worker_row}} from chard.worker where name = $1

-- statement: workers on claims
-- gives: workers
select {{worker_row}} from chard.worker where $1::text is not null order by name

-- statement: upcoming on claims
-- gives: upcoming
select due_at, exchange, routing_key, properties, body from chard.scheduled
where task_id is not null and octet_length(body) <= 65536 and $1::text is not null
order by due_at limit 100

-- statement: beat on claims
insert into chard.worker (name, state) values ($1::text, $2::jsonb)
on conflict (name) do update set state = excluded.state, beat_at = now()

-- statement: forget_workers on claims
-- gives: worker_names
with gone as (delete from chard.worker where beat_at < now() - $1::text::int8 * interval '1 ms' returning name)
select name from gone order by name

-- What begins alike may be another group's, whose id holds a colon: whoever reads it looks.
-- statement: chord_parts on claims
-- gives: chord_parts
select id, chord_part, state, result::text, error::text, sends::text from chard.task
where chord_part >= $1 || ':' and chord_part < $1 || ';' and state in ('SUCCESS', 'FAILURE')
