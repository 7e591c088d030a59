-- SPDX-License-Identifier: Apache-2.0

-- A page looks at so many rows along one index, and no further: what a filter leaves of them may be little.
-- part: job_list_before
timestamptz 'epoch' + $1::int8 * interval '1 us'

-- part: job_list_since
timestamptz 'epoch' + $3::int8 * interval '1 ms'

-- part: job_list_columns
root_id, pipeline, state, user_id, created_at, finished_at, error, document

-- part: job_list_head
with page as materialized (
        select {{job_list_columns}} from chard.job
        where (created_at, root_id) < ({{job_list_before}}, $2::text) and created_at >= {{job_list_since}}

-- part: job_list_tail
order by created_at desc, root_id desc limit $4::int8),
{{job_list_found}}

-- part: job_list_found
found as materialized (
        select * from page j where ($5::text = '' or j.pipeline = $5) and ($6::text = '' or j.state = $6)
                and ($7::text = '' or j.user_id = $7)
                and ($8::text = '' or exists (select from chard.task t where t.id = j.root_id and t.name = $8)
                        or exists (select from chard.task t where t.root_id = j.root_id and t.root_id <> t.id and t.name = $8))
                and ($9::text = '' or position(lower($9) in lower(j.document::text)) > 0)
        order by j.created_at desc, j.root_id desc limit $10::int8),
behind as (
        select created_at, root_id from found where (select count(*) from found) = $10
        union all select created_at, root_id from page
                where (select count(*) from found) < $10 and (select count(*) from page) = $4
        order by created_at, root_id limit 1)
select json_build_object('jobs', coalesce((select json_agg(json_build_object('id', root_id, 'pipeline', pipeline,
                'state', state, 'user_id', user_id, 'created_at', created_at, 'finished_at', finished_at, 'error', error)
                order by created_at desc, root_id desc) from found), '[]'),
        'cursor', (select (extract(epoch from created_at) * 1000000)::int8 || '.' || root_id from behind))::text

-- All jobs have an index without an order, which finds what lies in a stretch of time. So stretches are asked for one after the other, each eight times
-- as long as the one before, until there are enough: a second at first, so that a burst is not sorted as a whole for one page of it; three hundred years in all.
-- statement: job_list_all
with bounds as materialized (
        select least({{job_list_before}}, now()) as newest, {{job_list_before}} as before, {{job_list_since}} as since),
stretches as materialized (
        select greatest(newest - ((8 ^ k - 1) / 7) * interval '1 s', since) as back_to,
                case when k = 0 then before else newest - ((8 ^ (k - 1) - 1) / 7) * interval '1 s' end as upto,
                case when k = 0 then $2::text else '' end as upto_id
        from bounds, generate_series(0, 12) as k),
page as materialized (
        select j.* from stretches s, bounds b, lateral (
                select {{job_list_columns}} from chard.job
                where created_at >= s.back_to and created_at <= s.upto and (created_at, root_id) < (s.upto, s.upto_id)
                order by created_at desc, root_id desc limit $4::int8) as j
        where s.upto > b.since limit $4::int8),
{{job_list_found}}

-- statement: job_list_open
{{job_list_head}} and state in ('PENDING', 'STARTED', 'RETRY')
{{job_list_tail}}

-- statement: job_list_unlucky
{{job_list_head}} and state in ('FAILURE', 'REVOKED')
{{job_list_tail}}

-- statement: job_list_user
{{job_list_head}} and user_id = $7
{{job_list_tail}}

-- statement: job_find
select chard.find_job($1::text, $2::text)::text

-- statement: job_follow
select coalesce(json_agg(step), '[]')::text
from chard.follow_jobs($1::text[], $2::int8[], $3::int8[], $4::int8::int4)

-- statement: job_cancel
select chard.cancel_job(id)::text from unnest($1::text[]) as id

-- statement: load
with held as (
        select t.lease_owner, count(*) as n, max(t.lease_until) as until from
                (select root_id from chard.job where state in ('PENDING', 'STARTED', 'RETRY') order by created_at limit 10000) as j,
                lateral ({{tasks_of_job(j.root_id)}}) as t
        where t.state = 'STARTED' and t.lease_owner is not null group by 1)
select json_build_object('held', coalesce((select json_agg(json_build_object('owner', lease_owner, 'count', n, 'until', until)
                order by lease_owner) from held), '[]'),
        'workers', coalesce((select json_agg(json_build_object('name', name, 'state', state, 'started_at', started_at,
                'beat_at', beat_at, 'age_ms', greatest(0, (extract(epoch from clock_timestamp() - beat_at) * 1000)::int8)) order by name)
                from chard.worker), '[]'),
        'scheduled', (select json_build_object('count', count(*),
                'overdue', count(*) filter (where due_at < clock_timestamp() - interval '1 min'),
                'unroutable', count(*) filter (where returns > 0),
                'oldest_due_ms', (extract(epoch from min(due_at)) * 1000)::int8) from chard.scheduled),
        'leases', coalesce((select json_object_agg(name, holder) from chard.lease where until > clock_timestamp()), '{}'))::text

-- How old the oldest event is that the reader of a slot may not have. Transactions before its catalog_xmin had ended in the part of the log that it has read; the
-- server moves that now and then, so this is what there is at most. catalog_xmin has 32 bits: it lies less than 2^32 before the next transaction.
-- part: job_undelivered_ms
case when catalog_xmin is not null then coalesce((
        select greatest(0, (extract(epoch from clock_timestamp() - created_at) * 1000)::int8) from chard.outbox
        where xact >= (n.next - ((n.next - catalog_xmin::text::int8) & 4294967295))::text::xid8 order by xact, number limit 1), 0) end

-- statement: figures
select json_build_object('scheduled', coalesce((select json_agg(json_build_object('reason', reason, 'count', n, 'due', due) order by reason)
                from (select reason, count(*) as n, count(*) filter (where due_at <= clock_timestamp()) as due
                        from chard.scheduled group by reason) as s), '[]'),
        'late_ms', (select greatest(0, (extract(epoch from clock_timestamp() - min(due_at)) * 1000)::int8) from chard.scheduled),
        'dead', (select count(*) from (select from chard.dead_letter where state = 'kept' limit 100000) as kept),
        'workers', coalesce((select json_agg(json_build_object('name', name, 'state', state,
                'age_ms', greatest(0, (extract(epoch from clock_timestamp() - beat_at) * 1000)::int8)) order by name) from chard.worker), '[]'),
        'slots', coalesce((select json_agg(json_build_object('name', slot_name, 'active', active, 'wal_status', wal_status, 'safe', safe_wal_size,
                'lag', pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::int8, 'undelivered_ms', {{job_undelivered_ms}}) order by slot_name)
                from pg_catalog.pg_replication_slots, (select pg_snapshot_xmax(pg_current_snapshot())::text::int8 as next) as n
                where database = current_database()), '[]'))::text

-- statement: examine
select json_build_object('server', 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1),
        'schema', (select max(version) from chard.schema_version),
        'now_us', (extract(epoch from clock_timestamp()) * 1000000)::int8, 'standby', pg_is_in_recovery(),
        'connections', (select count(*) from pg_catalog.pg_stat_activity where backend_type = 'client backend'),
        'connections_max', current_setting('max_connections')::int4,
        'slots', coalesce((select json_agg(json_build_object('name', slot_name, 'active', active, 'wal_status', wal_status,
                'lag', case when not pg_is_in_recovery()
                        then pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(confirmed_flush_lsn, restart_lsn))::int8 end) order by slot_name)
                from pg_catalog.pg_replication_slots where database = current_database()), '[]'))::text

-- part: job_trail_ms(column)
floor(extract(epoch from {{column}}) * 1000)::int8

-- part: job_trail_waiting
select id, task_id, reason, routing_key, created_at, due_at, returns from chard.scheduled

-- What is told of a job beside its row, its tasks and its events.
-- statement: job_trail
with tasks as materialized ({{tasks_of_job($1::text)}}),
waiting as (
        {{job_trail_waiting}} where task_id = any (array(select id from tasks)) union
        {{job_trail_waiting}} where task_id = $1 union
        {{job_trail_waiting}} where root_id = $1),
dead as (
        select * from chard.dead_letter where task_id = any (array(select id from tasks)) union all
        select * from chard.dead_letter where task_id = $1 and not exists (select from tasks where id = $1))
select json_build_object(
        'tasks', coalesce((select json_agg(json_build_object('id', id, 'owner', lease_owner, 'until_ms', {{job_trail_ms(lease_until)}},
                'replaced', replaced, 'part', chord_part) order by created_at, id) from tasks), '[]'),
        'waiting', coalesce((select json_agg(json_build_object('id', id, 'task_id', task_id, 'reason', reason, 'routing_key', routing_key,
                'created_ms', {{job_trail_ms(created_at)}}, 'due_ms', {{job_trail_ms(due_at)}}, 'returns', returns) order by due_at, id) from waiting), '[]'),
        'dead', coalesce((select json_agg(json_build_object('entry', entry, 'task_id', task_id, 'name', name, 'state', state,
                'source', error_source, 'code', error_code, 'attempts', attempts, 'died_ms', {{job_trail_ms(died_at)}},
                'kept_ms', {{job_trail_ms(kept_at)}}, 'settled_ms', {{job_trail_ms(settled_at)}},
                'acts', coalesce((select json_agg(json_build_object('at_ms', {{job_trail_ms(a.at)}}, 'action', a.action, 'who', a.who, 'reason', a.reason)
                        order by a.id) from chard.dead_letter_audit a where a.id = any (dead.acts)), '[]')) order by entry) from dead), '[]'))::text

-- $1: what the caller picks, as JSON.
-- part: job_scheduled_fits
($1::json -> 'ids' is null or id = any (array(select i::int8 from json_array_elements_text($1::json -> 'ids') as i)))
and ($1::json ->> 'reason' is null or reason = $1::json ->> 'reason')
and ($1::json ->> 'unroutable' is null or returns > 0)

-- Columns of shape_scheduled.
-- part: job_scheduled_row
id, task_id, reason, exchange, routing_key, due_at, created_at, returns, octet_length(body)

-- statement: scheduled_list
select {{job_scheduled_row}} from chard.scheduled where {{job_scheduled_fits}}
order by due_at, id limit ($1::json ->> 'limit')::int8

-- statement: scheduled_drop
with gone as (delete from chard.scheduled where {{job_scheduled_fits}} returning *),
told as (insert into chard.dead_letter_audit (batch, operation, action, who, reason, scope, entries)
        select gen_random_uuid(), $1::json ->> 'operation', 'drop', $1::json ->> 'who', $1::json ->> 'note',
                $1::json ->> 'scope', count(*) from gone having count(*) > 0)
select {{job_scheduled_row}} from gone order by due_at, id
