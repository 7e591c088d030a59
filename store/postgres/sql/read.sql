-- SPDX-License-Identifier: Apache-2.0

-- A job's first task has its id; the others are found through a partial index.
-- part: tasks_of_job(job)
select * from chard.task where id = {{job}} union all select * from chard.task where root_id = {{job}} and root_id <> id

-- statement: events on claims
select xact || '.' || number, id::text, aggregatetype, aggregateid, type, payload::text, created_at, tracingspancontext, backfill
from chard.outbox
where (xact, number) > ($1::text::xid8, $2) and xact < pg_snapshot_xmin(pg_current_snapshot())
order by xact, number limit $3

-- Tasks and events of a job are found through the partial indexes, but for the one task that has the job's id and the events about the job itself,
-- which the primary keys find. A task without a job row is a job of one.
-- statement: job on claims
with tasks as materialized ({{tasks_of_job($1)}}),
events as materialized (
        select * from chard.event where aggregate_id = $1 and root_id = $1 union all
        select * from chard.event where root_id = $1 and root_id <> aggregate_id),
job as (
        select pipeline, state, document, error, created_at, finished_at from chard.job where root_id = $1 union all
        select '', state, null, error, created_at, finished_at from tasks
        where id = $1 and not exists (select from chard.job where root_id = $1))
select json_build_object('id', $1, 'pipeline', pipeline, 'state', state, 'document', document, 'error', error,
        'created_at', created_at, 'finished_at', finished_at,
        'tasks', coalesce((select json_agg(json_build_object('id', id, 'parent_id', parent_id, 'name', name, 'state', state,
                        'attempts', attempts, 'starts', starts, 'provider', provider, 'model', model, 'tokens_in', tokens_in,
                        'tokens_out', tokens_out, 'cost_usd', round(cost_nano / 1e9, 9), 'elapsed_ms', elapsed_ms, 'error', error,
                        'created_at', created_at, 'started_at', started_at, 'finished_at', finished_at)
                        order by created_at, id) from tasks), '[]'),
        'events', coalesce((select json_agg(json_build_object('id', id, 'aggregate_type', aggregate_type,
                        'aggregate_id', aggregate_id, 'type', type, 'version', version, 'payload', payload, 'created_at', created_at)
                        order by created_at, aggregate_type, aggregate_id, version) from events), '[]'))::text
from job

-- Columns of shape_worker.
-- part: worker_row
name, state::text, started_at, beat_at, greatest(0, (extract(epoch from clock_timestamp() - beat_at) * 1000)::int8)

-- statement: worker on claims
select {{worker_row}} from chard.worker where name = $1

-- statement: workers on claims
select {{worker_row}} from chard.worker where $1::text is not null order by name

-- statement: upcoming on claims
select due_at, exchange, routing_key, properties, body from chard.scheduled
where task_id is not null and octet_length(body) <= 65536 and $1::text is not null
order by due_at limit 100

-- statement: beat on claims
insert into chard.worker (name, state) values ($1::text, $2::jsonb)
on conflict (name) do update set state = excluded.state, beat_at = now()

-- statement: forget_workers on claims
with gone as (delete from chard.worker where beat_at < now() - $1::text::int8 * interval '1 ms' returning name)
select coalesce(json_agg(name order by name), '[]')::text from gone

-- What begins alike may be another group's, whose id holds a colon: whoever reads it looks.
-- statement: chord_parts on claims
select id, chord_part, state, result::text, error::text, sends::text from chard.task
where chord_part >= $1 || ':' and chord_part < $1 || ';' and state in ('SUCCESS', 'FAILURE')
