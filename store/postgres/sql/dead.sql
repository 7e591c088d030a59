-- SPDX-License-Identifier: Apache-2.0

-- Columns and conditions of a filter: parameters $1 … $15.
-- part: dead_filter
($2::text = '' or state = $2) and ($3::text = '' or name = $3 or (right($3, 1) = '*' and starts_with(name, left($3, -1))))
and ($4::text = '' or queue = $4)
and ($5::text = '' or error_code = $5 or (right($5, 1) = '*' and starts_with(error_code, left($5, -1))))
and ($6::text = '' or group_id = $6) and ($7::text = '' or user_id = $7)
and ($8::text = '' or root_id = $8) and ($9::text = '' or task_id = $9)
and ($10::text = '' or position(lower($10) in lower(error_message)) > 0)
and ($11::int8 = 0 or died_at >= timestamptz 'epoch' + $11 * interval '1 ms')
and ($12::int8 = 0 or died_at < timestamptz 'epoch' + $12 * interval '1 ms')
and entry > $13::int8 and ($14::int8 = 0 or entry <= $14) and ($15::int8 < 0 or rounds = $15)
and (cardinality($1::int8[]) = 0 or entry = any ($1))

-- A letter that is there already is passed over. One whose task has a kept entry is a later death of it, whose record takes the place of the earlier
-- one. (Scalar sub-selects keep the planner to their indexes, whatever it believes of sizes.)
-- statement: dead_file on dead
insert into chard.dead_letter as t (key, same, died_at, attempts, task_id, root_id, name, queue, error_source,
        error_code, error_message, group_id, cause, trace_id, user_id, worker, next_task, verdict, properties, body, edited, rounds)
select key, same, timestamptz 'epoch' + died * interval '1 ms', attempts, task_id, root_id, name, queue, source,
        code, message, group_id, cause, trace_id, user_id, worker, next_task, verdict, properties, body, edited,
        case when task_id = '' then 0 else coalesce((select case when b.automatic then b.rounds + 1 else 0 end
                from chard.dead_letter b where b.task_id = i.task_id order by b.task_id desc, b.entry desc limit 1), 0) end
from unnest($1::uuid[], $2::uuid[], $3::int8[], $4::int4[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[],
        $18::text[], $19::bytea[], $20::bytea[], $21::bytea[]) as i (key, same, died, attempts, task_id, root_id, name, queue, source, code, message,
        group_id, cause, trace_id, user_id, worker, next_task, verdict, properties, body, edited)
where (select d.entry from chard.dead_letter d where d.key = i.key) is null
on conflict (same) where state = 'kept' do update set key = excluded.key, died_at = excluded.died_at,
        attempts = excluded.attempts, error_source = excluded.error_source, error_code = excluded.error_code,
        error_message = excluded.error_message, group_id = excluded.group_id, cause = excluded.cause,
        trace_id = excluded.trace_id, worker = excluded.worker, verdict = excluded.verdict, properties = excluded.properties
where excluded.died_at > t.died_at
returning same::text, xmax = 0

-- The letters, then their tasks, both in order, so that what is decided next stays true and nobody deadlocks.
-- statement: dead_lock on dead
select task_id from chard.dead_letter where entry = any ($1::int8[]) order by entry for update

-- statement: dead_lock_tasks on dead
select from chard.task where id = any (array(
        select d.task_id from unnest($1::int8[]) as e (entry), lateral (select l.task_id from chard.dead_letter l
                where l.entry = e.entry and l.task_id <> '' offset 0) d)) order by id for update

-- What each of some entries is, its task and its job: a sum of enum dead_seen (store/meaning.h), which decides what that means. `mine`: this very batch
-- settled it before, and its answer was lost.
-- part: dead_seen(batch, i)
prior as materialized (select id from chard.dead_letter_audit where batch = ({{batch}}::uuid[])[1]),
u as materialized (
        select i.n, i.entry, d.task_id, d.root_id, case when d.entry is null then 0 else 1
                + case when d.state = 'kept' then 2 else 0 end
                + case when d.mine then 4 else 0 end
                + case when d.state = 'resolved' then 8 else 0 end
                + case when i.version not in (0, cardinality(d.acts) + 1) then 16 else 0 end
                + case t.state when 'REVOKED' then 32 when 'SUCCESS' then 64 else 0 end
                + case when t.state = 'SUCCESS'
                        and (coalesce((select j.state from chard.job j where j.root_id = d.root_id), 'SUCCESS') = 'SUCCESS'
                             or (select n.id from chard.task n where n.root_id = d.root_id and n.root_id <> n.id and n.parent_id = d.task_id
                                 limit 1) is not null) then 128 else 0 end
                + case when t.state = 'STARTED' and t.leased then 256 else 0 end
                + case when d.task_id <> '' and (select w.id from chard.scheduled w where w.task_id = d.task_id limit 1) is not null
                        then 512 else 0 end
                + case when d.task_id <> '' and i.n > min(i.n) filter (where d.state = 'kept') over (partition by d.task_id)
                        then 1024 else 0 end end as seen
        from {{i}} i
        left join lateral (
                select l.*, l.acts @> array(select id from prior) and exists (select from prior) as mine
                from chard.dead_letter l where l.entry = i.entry offset 0) d on true
        left join lateral (
                select k.state, k.lease_until > now() and not exists (
                        select from chard.worker w where w.name = k.lease_owner and w.started_at > k.started_at) as leased
                from chard.task k where k.id = d.task_id and d.task_id <> '' offset 0) t on true)

-- statement: dead_look on dead
with asked as materialized (
        select * from unnest($2::int8[], $3::int8[]) with ordinality as i (entry, version, n)),
{{dead_seen($1, asked)}}
select seen::int8 from u order by n

-- What was decided on what was seen is done where all of that is so still: `outcome` is null for what stays as it is. A batch that is asked again, its
-- answer lost, may find more to settle than the first time: that is an act of its own, under another key.
-- statement: dead_settle on dead
with i as materialized (
        select * from unnest($8::int8[], $9::uuid[], $10::int8[], $11::text[], $12::text[], $13::bytea[], $14::bytea[],
                $15::int8[], $16::int8[], $17::text[]) with ordinality
                as i (entry, key, due, exchange, routing_key, properties, body, version, seen, outcome, n)),
{{dead_seen($1, i)}},
moved as materialized (select u.n from u, i where i.n = u.n and i.seen <> u.seen),
v as materialized (
        select u.n, u.entry, u.task_id, u.root_id, i.outcome from u, i
        where i.n = u.n and i.outcome is not null and not exists (select from moved)),
audit as (
        insert into chard.dead_letter_audit (batch, operation, action, who, reason, scope, entries)
        select case when exists (select from prior) then gen_random_uuid() else ($1::uuid[])[1] end,
                $2::text, $3::text, $4::text, $5::text, $6::text, count(*) from v
        having count(*) > 0 returning id),
settled as (
        update chard.dead_letter set state = $18::text, settled_at = now(),
                automatic = $7::int8 <> 0, acts = acts || array(select id from audit)
        where entry = any (array(select entry from v where outcome in ('done', 'resumed')))),
resolved as (
        update chard.dead_letter set state = 'resolved', settled_at = now(), acts = acts || array(select id from audit)
        where entry = any (array(select entry from v where outcome = 'succeeded'))),
tasks as (
        update chard.task set state = 'PENDING', starts = 0, attempts = 0, error = null, finished_at = null,
                lease_owner = null, lease_until = null
        where $19::int8 <> 0 and id = any (array(select task_id from v where outcome = 'done' and task_id <> ''))),
jobs as (
        update chard.job set state = 'STARTED', error = null, finished_at = null, updated_at = now(), restarts = 0
        where $19::int8 <> 0 and state = 'FAILURE'
                and root_id = any (array(select root_id from v where outcome in ('done', 'resumed') and root_id <> ''))
                and not exists (select from chard.task o where o.id = chard.job.root_id and o.state = 'FAILURE'
                        and o.id <> all (array(select task_id from v where outcome in ('done', 'resumed'))))
                and not exists (select from chard.task o where o.root_id = chard.job.root_id and o.root_id <> o.id and o.state = 'FAILURE'
                        and o.id <> all (array(select task_id from v where outcome in ('done', 'resumed'))))),
sent as (
        insert into chard.scheduled (key, due_at, exchange, routing_key, reason, task_id, properties, body, root_id)
        select i.key, timestamptz 'epoch' + i.due * interval '1 ms', i.exchange, i.routing_key, 'requeue',
                (select nullif(l.task_id, '') from chard.dead_letter l where l.entry = i.entry), i.properties, i.body,
                (select nullif(l.root_id, '') from chard.dead_letter l where l.entry = i.entry)
        from i where $19::int8 <> 0 and i.exchange is not null
                and not (i.exchange = '' and starts_with(i.routing_key, 'consumer:'))
                and case when i.n in (select n from v where outcome in ('done', 'resumed')) then true else false end
        on conflict (key) do nothing),
heard as materialized (
        select i.n, substr(i.routing_key, length('consumer:') + 1) as consumer, i.due, {{consumer_event(i)}} as event from i
        where $19::int8 <> 0 and i.exchange is not null
                and case when i.n in (select n from v where outcome in ('done', 'resumed')) then true else false end),
asked as (
        insert into chard.consumer_waiting (consumer, key, event_id, due_at, event)
        select consumer, coalesce(event ->> 'aggregate_type', '') || '/' || coalesce(event ->> 'aggregate_id', ''),
                coalesce(event ->> 'id', ''), timestamptz 'epoch' + due * interval '1 ms', event::text
        from heard where event is not null order by n
        on conflict (consumer, event_id) do nothing)
select n from moved

-- statement: dead_edit on dead
with prior as materialized (select id from chard.dead_letter_audit where batch = ($1::uuid[])[1]),
l as materialized (select entry from chard.dead_letter where entry = $7::int8 and state = 'kept'
        and ($9::int8 in (0, cardinality(acts) + 1) or exists (select from prior)) for update),
audit as (
        insert into chard.dead_letter_audit (batch, operation, action, who, reason, scope, entries)
        select ($1::uuid[])[1], $2::text, $3::text, $4::text, $5::text, $6::text, 1 from l
        where not exists (select from prior) returning id),
edited as (
        update chard.dead_letter set edited = ($8::bytea[])[1], acts = acts || array(select id from audit)
        where entry = any (array(select entry from l)) and exists (select from audit))
select entry from l

-- part: ms(time)
floor(extract(epoch from {{time}}) * 1000)::int8

-- Of the task of entry s: 1 a message of it is scheduled, 2 a task that follows it is known, 4 a worker that lives runs it.
-- part: standing
select case when (select w.id from chard.scheduled w where w.task_id = s.task_id limit 1) is not null then 1 else 0 end
+ case when (select n.id from chard.task n where n.root_id = s.root_id and n.root_id <> n.id
                and n.parent_id = s.task_id limit 1) is not null then 2 else 0 end
+ case when (select k.lease_until > now() and not exists (select from chard.worker w
                where w.name = k.lease_owner and w.started_at > k.started_at) from chard.task k where k.id = s.task_id)
                then 4 else 0 end

-- What a page gives of an entry, the entries and their order taken from p (entry, n).
-- part: dead_page
d as materialized (
        select p.n, l.*, octet_length(l.properties) + octet_length(l.body) + coalesce(octet_length(l.edited), 0) as size
        from p, lateral (select * from chard.dead_letter x where x.entry = p.entry offset 0) l),
s as (select d.*, sum(size) over (order by n) - size as before from d)
select entry, floor(extract(epoch from died_at) * 1000)::int8, floor(extract(epoch from kept_at) * 1000)::int8,
        coalesce(floor(extract(epoch from settled_at) * 1000)::int8, 0), state, task_id, root_id, name, queue,
        error_source, error_code, error_message, group_id, cause, trace_id, user_id, worker, next_task, verdict, attempts, rounds,
        octet_length(body)::int8,
        case when $18::int8 & 2 = 0 then coalesce((select t.state from chard.task t where t.id = task_id), '') else '' end,
        case when $18 & 2 = 0 then coalesce((select j.state from chard.job j where j.root_id = s.root_id), '') else '' end,
        case when $18 & 2 = 0 and task_id <> '' then ({{standing}})::int8 else 0::int8 end,
        case when $18 & 1 = 1 then properties end, case when $18 & 1 = 1 then body end,
        case when $18 & 1 = 1 or edited is null then edited else '' end,
        case when $18 & 1 = 1 then cardinality(acts) + 1 else 0 end::int8
from s where $18 & 1 = 0 or before < $19::int8 order by n

-- $20: twice the sort, and one more when it descends.
-- part: sort_number
case $20::int8 >> 1 when 0 then entry when 1 then {{ms(died_at)}} when 5 then attempts end

-- part: sort_text
case $20::int8 >> 1 when 2 then name when 3 then error_code when 4 then queue end

-- part: sort
case when $20::int8 & 1 = 0 then {{sort_number}} end, case when $20 & 1 = 1 then {{sort_number}} end desc,
case when $20 & 1 = 0 then {{sort_text}} end, case when $20 & 1 = 1 then {{sort_text}} end desc, entry

-- Any filter, any order.
-- statement: dead_page on dead
with p as materialized (
        select entry, row_number() over (order by {{sort}}) as n from chard.dead_letter
        where {{dead_filter}} order by n limit $16::int8 offset $17::int8),{{dead_page}}

-- In the order of entries, from one on: what goes through all of them in batches. What is kept has an index of its own.
-- part: dead_along_head
with p as materialized (
        select entry, entry as n from chard.dead_letter where

-- part: dead_along_tail
entry > $13 and {{dead_filter}}
        order by entry limit $16::int8 offset $17::int8),{{dead_page}}

-- statement: dead_along on dead
{{dead_along_head}}
{{dead_along_tail}}

-- statement: dead_along_kept on dead
{{dead_along_head}} state = 'kept' and
{{dead_along_tail}}

-- The same from the last one back: what is read first of many.
-- part: dead_back_head
with p as materialized (
        select entry, -entry as n from chard.dead_letter where

-- part: dead_back_tail
entry <= case when $14::int8 = 0 then 9223372036854775807 else $14 end and {{dead_filter}}
        order by entry desc limit $16::int8 offset $17::int8),{{dead_page}}

-- statement: dead_back on dead
{{dead_back_head}}
{{dead_back_tail}}

-- statement: dead_back_kept on dead
{{dead_back_head}} state = 'kept' and
{{dead_back_tail}}

-- Named entries.
-- statement: dead_some on dead
with p as materialized (
        select entry, row_number() over (order by {{sort}}) as n from chard.dead_letter
        where entry = any ($1) and {{dead_filter}} order by n limit $16::int8 offset $17::int8),{{dead_page}}

-- What is said of a group g (group_id, count, entry, …) beside its figures.
-- part: dead_group_of_latest
lateral (select name, queue, error_source, error_code, cause, error_message, verdict from chard.dead_letter x
        where x.entry = g.entry offset 0) l

-- part: dead_group_row
g.group_id, l.name, l.queue, l.error_source, l.error_code, l.cause, l.verdict, l.error_message, g.count, g.entry, g.edited, g.users, g.first, g.last

-- statement: dead_groups on dead
-- gives: groups
with g as materialized (
        select group_id, count(*) as count, count(edited) as edited, count(distinct nullif(user_id, '')) as users,
                min(died_at) as first, max(died_at) as last, max(entry) as entry from chard.dead_letter where {{dead_filter}}
        group by group_id order by count(*) desc, group_id limit $16::int8)
select {{dead_group_row}} from g, {{dead_group_of_latest}}
order by g.count desc, g.group_id

-- statement: dead_count on dead
-- gives: dead_count
select count(*), coalesce(max(entry), 0), count(edited) from chard.dead_letter where {{dead_filter}}

-- statement: dead_history on dead
-- gives: acts
select a.at, a.action, a.who, a.reason, a.scope, a.operation, a.entries
from unnest((select acts from chard.dead_letter where entry = $1::int8)) as u (id),
        lateral (select * from chard.dead_letter_audit x where x.id = u.id offset 0) a
order by a.id

-- Entries that are kept, or came or went within the hour: each through its own index, and once.
-- statement: dead_stats on dead
-- gives: dead_figures
with e as materialized (
        select name, queue, error_code, group_id, state, died_at, kept_at, settled_at from chard.dead_letter where state = 'kept'
        union all select name, queue, error_code, group_id, state, died_at, kept_at, settled_at from chard.dead_letter
                where state <> 'kept' and settled_at > now() - interval '1 hour'
        union all select name, queue, error_code, group_id, state, died_at, kept_at, settled_at from chard.dead_letter
                where kept_at > now() - interval '1 hour' and state <> 'kept' and settled_at <= now() - interval '1 hour'),
r as (
        select name, queue, error_code, count(*) filter (where state = 'kept') as kept,
                min(died_at) filter (where state = 'kept') as oldest,
                count(*) filter (where kept_at > now() - interval '1 min') as in1,
                count(*) filter (where kept_at > now() - interval '5 min') as in5,
                count(*) filter (where kept_at > now() - interval '1 hour') as in60,
                count(*) filter (where settled_at > now() - interval '1 min') as out1,
                count(*) filter (where settled_at > now() - interval '5 min') as out5,
                count(*) filter (where settled_at > now() - interval '1 hour') as out60
        from e group by name, queue, error_code)
select 0, row(clock_timestamp(), (select count(*) from e where state = 'kept'), (select count(distinct group_id) from e where state = 'kept'),
        (select min(oldest) from r))
union all
(select 1, row(name, queue, error_code, kept, oldest, in1, in5, in60, out1, out5, out60) from r order by kept desc, name, queue, error_code)

-- A group that has gone is new when it comes again. One that is given is not due again before its lease ends; until somebody was told of it its row
-- has no entries.
-- statement: dead_alarms on dead
-- gives: alarms
with g as materialized (
        select group_id, count(*)::int4 as count, count(edited) as edited, count(distinct nullif(user_id, '')) as users,
                min(died_at) as first, max(died_at) as last, max(entry) as entry from chard.dead_letter where state = 'kept' group by group_id),
gone as (delete from chard.dead_letter_alarm where group_id not in (select group_id from g)),
wanted as materialized (
        select group_id, count from g order by count desc, group_id limit 10000),
due as (
        insert into chard.dead_letter_alarm as a (group_id, at, entries, leased_until)
                select group_id, 'epoch', 0, now() + $5::int8 * interval '1 ms' from (
                        select w.group_id from wanted w left join lateral (select * from chard.dead_letter_alarm x
                                        where x.group_id = w.group_id offset 0) a on true
                        where a.group_id is null or (a.leased_until <= now() and (a.entries = 0
                                or (w.count >= a.entries + greatest($2::int8, a.entries * $1::int8 / 100)
                                        and (a.at <= now() - $3::int8 * interval '1 ms' or ($6::int8 > 0 and w.count >= a.entries * $6::int8)))))
                        order by w.count desc, w.group_id limit $4::int8) n
        on conflict (group_id) do update set leased_until = excluded.leased_until where a.leased_until <= now()
        returning a.group_id, a.entries as before, a.entries = 0 as new)
select {{dead_group_row}}, due.new::int4, due.before
from due, lateral (select * from g where g.group_id = due.group_id) g, {{dead_group_of_latest}}
order by g.count desc, g.group_id

-- Nobody was told: it is due again at once.
-- statement: dead_told on dead
-- gives: count
with t as (
        update chard.dead_letter_alarm a set at = case when $2::int8 = 1 then now() else a.at end, leased_until = 'epoch',
                entries = case when $2 = 1 then g.count else a.entries end
        from json_to_recordset($1::json) as g ("group" text, count int4) where a.group_id = g."group" returning 1)
select count(*) from t
