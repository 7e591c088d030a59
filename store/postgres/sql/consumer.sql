-- SPDX-License-Identifier: Apache-2.0
-- Consumers: where they stand, what they have put aside, their steps. Few processes do this: nothing is prepared for it.

-- statement: consumer_take
-- gives: consumer
with taken as (
        insert into chard.consumer as c (name, taken_by) values ($1, $2)
        on conflict (name) do update set epoch = c.epoch + 1, taken_by = excluded.taken_by, taken_at = now()
        returning position, epoch)
select 0, row(position, epoch) from taken
union all
select 1, row(key, count(*)) from chard.consumer_waiting where consumer = $1 group by key

-- statement: consumer_held
-- gives: held
select key, count(*) from chard.consumer_waiting where consumer = $1 group by key

-- statement: consumer_waiting
-- gives: waiting
with heads as materialized (
        select w.*, h.n from (select min(number) as number, count(*) as n from chard.consumer_waiting where consumer = $1 group by key) as h
        join chard.consumer_waiting w using (number)),
due as (select * from heads where due_at <= now() order by due_at, number limit $2::int8)
(select 0, row(number, key, event_id, attempts, n, event) from due order by due_at, number)
union all
select 1, row((select case when count(*) > 0 then greatest(0, ceil(extract(epoch from min(due_at) - now()) * 1000))::int8 end from heads))

-- statement: consumer_list
-- gives: consumers
select name, position, taken_by, taken_at, moved_at, (select count(*) from chard.consumer_waiting w where w.consumer = c.name),
        (select count(*) from (select from chard.outbox o
                where (o.xact, o.number) > (coalesce(nullif(split_part(c.position, '.', 1), ''), '0')::xid8,
                        coalesce(nullif(split_part(c.position, '.', 2), ''), '0')::int8) limit 10000) as b)
from chard.consumer c where $1::text is not null order by name

-- Events of aggregates, the newest 200 of each.
-- statement: consumer_history
select a.n, row(e.id::text, e.type, e.version, e.payload, e.created_at)
from unnest($1::text[], $2::text[]) with ordinality as a (type, id, n),
        lateral (select * from chard.event v where v.aggregate_id = a.id and v.aggregate_type = a.type order by v.version desc limit 200) as e
order by a.n, e.version

-- The aggregates behind the one of the type $2 and the id $1.
-- statement: consumer_aggregates
-- gives: aggregates
select distinct aggregate_type, aggregate_id from chard.event
where (aggregate_id, aggregate_type) > ($1::text collate "C", $2::text collate "C") order by aggregate_id, aggregate_type limit $3::int8

-- statement: consumer_hold
select chard.consumer_hold($1, $2::int8, nullif($3::text, ''))

-- statement: consumer_acted
select chard.consumer_acted($1, $2::text[])

-- Of what was put aside: this is over, that waits on, and these are new.
-- statement: consumer_wait
with gone as (
        delete from chard.consumer_waiting where number = any ($2::int8[]) and consumer = $1),
later as (
        update chard.consumer_waiting w set attempts = l.attempts, due_at = now() + l.delay * interval '1 ms'
        from unnest($3::int8[], $4::int4[], $5::int8[]) as l (number, attempts, delay)
        where w.number = l.number and w.consumer = $1)
insert into chard.consumer_waiting (consumer, key, event_id, attempts, due_at, event)
select $1, key, event_id, attempts, now() + delay * interval '1 ms', event
from unnest($6::text[], $7::text[], $8::int4[], $9::int8[], $10::text[]) with ordinality as w (key, event_id, attempts, delay, event, n)
order by n
on conflict (consumer, event_id) do nothing

-- A message for a consumer's queue (exchange, routing_key, body of the row i), which is no broker's: the event that it holds, or null.
-- part: consumer_event(i)
case when {{i}}.exchange = '' and starts_with({{i}}.routing_key, 'consumer:')
        then convert_from({{i}}.body, 'UTF8')::json #> '{1,event}' end

-- Events of the last 29 days (the inbox knows 30) that the consumer $1 hears ($2: {"types", "aggregates"}, none: any), and has neither acted on, put aside nor
-- refused.
-- statement: consumer_missed
-- gives: outbox_text
select '', e.id::text, e.aggregate_type, e.aggregate_id, e.type, e.payload::text, e.created_at, null::text, null::text
from chard.event e
where e.created_at > now() - interval '29 days' and e.type in (select json_array_elements_text($2::json -> 'types'))
        and (json_array_length($2::json -> 'aggregates') = 0 or e.aggregate_type in (select json_array_elements_text($2::json -> 'aggregates')))
        and not exists (select from chard.inbox i where i.consumer = $1 and i.event_id = e.id::text)
        and not exists (select from chard.consumer_waiting w where w.consumer = $1 and w.event_id = e.id::text)
        and not exists (select from chard.dead_letter d where d.task_id = $1 || '/' || e.id)
order by e.created_at, e.aggregate_id, e.version limit $3::int8
