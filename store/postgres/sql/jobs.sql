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
(select 0, row(root_id, pipeline, state, user_id, created_at, finished_at, error) from found order by created_at desc, root_id desc)
union all
select 1, row((select (extract(epoch from created_at) * 1000000)::int8 || '.' || root_id from behind))

-- All jobs have an index without an order, which finds what lies in a stretch of time. So stretches are asked for one after the other, each eight times
-- as long as the one before, until there are enough: a second at first, so that a burst is not sorted as a whole for one page of it; three hundred years in all.
-- statement: job_list_all
-- gives: job_page
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
-- gives: job_page
{{job_list_head}} and state in ('PENDING', 'STARTED', 'RETRY')
{{job_list_tail}}

-- statement: job_list_unlucky
-- gives: job_page
{{job_list_head}} and state in ('FAILURE', 'REVOKED')
{{job_list_tail}}

-- statement: job_list_user
-- gives: job_page
{{job_list_head}} and user_id = $7
{{job_list_tail}}

-- What has this id, or one that begins with these characters: $2 is the first text behind all of those. Of a scheduled message nobody knows the job but its headers.
-- Only when nothing is found are the chains of open jobs looked through: there stand the ids of tasks that nobody has begun yet.
-- statement: job_find
-- gives: found
with found (job, id, kind, name, properties, due_at) as materialized (
        (select root_id, root_id, 'job', pipeline, null::bytea, null::timestamptz
                from chard.job where root_id >= $1::text and root_id < $2::text order by root_id limit 21)
        union all
        (select root_id, id, 'task', name, null, null from chard.task where id >= $1 and id < $2 order by id limit 21)
        union all
        (select root_id, task_id, 'dead', name, null, null
                from chard.dead_letter where task_id >= $1 and task_id < $2 order by task_id limit 21)
        union all
        (select null, task_id, 'scheduled', reason, properties, due_at
                from chard.scheduled where task_id >= $1 and task_id < $2 and task_id is not null order by task_id limit 21))
select * from found
union all
(select root_id, $1, 'chain', '', null, null from chard.job
        where not exists (select from found) and state in ('STARTED', 'PENDING', 'RETRY') and position($1 in chain::text) > 0 limit 21)

-- statement: job_follow
-- gives: job_steps
select job, at_position, kind, task_id, name, state, attempt, at, payload, version
from chard.follow_jobs($1::text[], $2::int8[], $3::int8[], $4::int8::int4)

-- statement: job_cancel
-- gives: cancelled
select c.state, c.revoked, c.tasks
from unnest($1::text[]) with ordinality as i (id, n), lateral chard.cancel_job(i.id) as c order by i.n

-- statement: load
-- gives: load
with held as (
        select t.lease_owner, count(*) as n, max(t.lease_until) as until from
                (select root_id from chard.job where state in ('PENDING', 'STARTED', 'RETRY') order by created_at limit 10000) as j,
                lateral ({{tasks_of_job(j.root_id)}}) as t
        where t.state = 'STARTED' and t.lease_owner is not null group by 1)
(select 0, row(lease_owner, n, until) from held order by lease_owner)
union all
(select 1, row({{worker_row}}) from chard.worker order by name)
union all
select 2, row(count(*), count(*) filter (where due_at < clock_timestamp() - interval '1 min'), count(*) filter (where returns > 0), min(due_at)) from chard.scheduled
union all
select 3, row(name, holder) from chard.lease where until > clock_timestamp()

-- How old the oldest event is that the reader of a slot may not have. Transactions before its catalog_xmin had ended in the part of the log that it has read; the
-- server moves that now and then, so this is what there is at most. catalog_xmin has 32 bits: it lies less than 2^32 before the next transaction.
-- part: job_undelivered_ms
case when catalog_xmin is not null then coalesce((
        select greatest(0, (extract(epoch from clock_timestamp() - created_at) * 1000)::int8) from chard.outbox
        where xact >= (n.next - ((n.next - catalog_xmin::text::int8) & 4294967295))::text::xid8 order by xact, number limit 1), 0) end

-- statement: figures
-- gives: figures
select 0, row((select greatest(0, (extract(epoch from clock_timestamp() - min(due_at)) * 1000)::int8) from chard.scheduled),
        (select count(*) from (select from chard.dead_letter where state = 'kept' limit 100000) as kept))
union all
(select 1, row(reason, count(*), count(*) filter (where due_at <= clock_timestamp())) from chard.scheduled group by reason order by reason)
union all
(select 2, row(name, state, {{age_ms(beat_at)}}) from chard.worker order by name)
union all
(select 3, row(slot_name::text, active, wal_status, safe_wal_size,
        pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::int8, {{job_undelivered_ms}})
        from pg_catalog.pg_replication_slots, (select pg_snapshot_xmax(pg_current_snapshot())::text::int8 as next) as n
        where database = current_database() order by slot_name)

-- statement: examine
-- gives: store
select 0, row('PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1), (select max(version) from chard.schema_version),
        (extract(epoch from clock_timestamp()) * 1000000)::int8, pg_is_in_recovery(),
        (select count(*) from pg_catalog.pg_stat_activity where backend_type = 'client backend'), current_setting('max_connections')::int4)
union all
(select 1, row(slot_name::text, active, wal_status, case when not pg_is_in_recovery()
                then pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(confirmed_flush_lsn, restart_lsn))::int8 end)
        from pg_catalog.pg_replication_slots where database = current_database() order by slot_name)

-- part: job_trail_waiting
select id, task_id, reason, routing_key, created_at, due_at, returns from chard.scheduled

-- What is told of a job beside its row, its tasks and its events.
-- statement: job_trail
-- gives: trail
with tasks as materialized ({{tasks_of_job($1::text)}}),
waiting as (
        {{job_trail_waiting}} where task_id = any (array(select id from tasks)) union
        {{job_trail_waiting}} where task_id = $1 union
        {{job_trail_waiting}} where root_id = $1),
dead as (
        select * from chard.dead_letter where task_id = any (array(select id from tasks)) union all
        select * from chard.dead_letter where task_id = $1 and not exists (select from tasks where id = $1))
(select 0, row(id, lease_owner, lease_until, replaced, chord_part) from tasks order by created_at, id)
union all
(select 1, row(id, task_id, reason, routing_key, created_at, due_at, returns) from waiting order by due_at, id)
union all
(select 2, row(entry, task_id, name, state, error_source, error_code, attempts, died_at, kept_at, settled_at) from dead order by entry)
union all
(select 3, row(d.entry, a.at, a.action, a.who, a.reason) from dead d, chard.dead_letter_audit a where a.id = any (d.acts) order by d.entry, a.id)

-- $1: what the caller picks, as JSON.
-- part: job_scheduled_fits
($1::json -> 'ids' is null or id = any (array(select i::int8 from json_array_elements_text($1::json -> 'ids') as i)))
and ($1::json ->> 'reason' is null or reason = $1::json ->> 'reason')
and ($1::json ->> 'unroutable' is null or returns > 0)

-- part: job_scheduled_row
id, task_id, reason, exchange, routing_key, due_at, created_at, returns, octet_length(body)

-- statement: scheduled_list
-- gives: scheduled
select {{job_scheduled_row}} from chard.scheduled where {{job_scheduled_fits}}
order by due_at, id limit ($1::json ->> 'limit')::int8

-- statement: scheduled_drop
-- gives: scheduled
with gone as (delete from chard.scheduled where {{job_scheduled_fits}} returning *),
told as (insert into chard.dead_letter_audit (batch, operation, action, who, reason, scope, entries)
        select gen_random_uuid(), $1::json ->> 'operation', 'drop', $1::json ->> 'who', $1::json ->> 'note',
                $1::json ->> 'scope', count(*) from gone having count(*) > 0)
select {{job_scheduled_row}} from gone order by due_at, id
