-- SPDX-License-Identifier: Apache-2.0
-- Consumers: where they stand, what they have put aside, their steps.

-- statement: consumer_take
insert into consumer (name, taken_by, taken_at) values (?1, ?2, ?3)
on conflict (name) do update set epoch = epoch + 1, taken_by = ?2, taken_at = ?3

-- statement: consumer_taken
select position, epoch from consumer where name = ?1

-- statement: consumer_held
-- gives: held
select key, count(*) from consumer_waiting where consumer = ?1 group by key

-- part: consumer_heads
with heads as materialized (
        select w.*, h.n from (select min(number) as first, count(*) as n from consumer_waiting where consumer = ?1 group by key) as h
        join consumer_waiting w on w.number = h.first)

-- statement: consumer_due
{{consumer_heads}} select number, key, event_id, attempts, n, event from heads where due_at <= ?2 order by due_at, number limit ?3

-- statement: consumer_wait_ms
{{consumer_heads}} select max(0, (min(due_at) - ?2 + 999) / 1000) from heads where ?3

-- statement: consumer_list
-- gives: consumers
select name, position, taken_by, taken_at, moved_at, (select count(*) from consumer_waiting w where w.consumer = c.name),
        (select count(*) from (select 1 from outbox o where o.position > cast(c.position as integer) limit 10000))
from consumer c order by name

-- Events of an aggregate, the newest 200, oldest first.
-- statement: consumer_history
-- gives: history
select id, type, version, payload, created_at
from (select * from (select * from event where aggregate_id = ?2 and aggregate_type = ?1 order by version desc limit 200) order by version)

-- The aggregates behind the one of the type ?2 and the id ?1.
-- statement: consumer_aggregates
-- gives: aggregates
select aggregate_type, aggregate_id
from (select distinct aggregate_id, aggregate_type from event where (aggregate_id, aggregate_type) > (?1, ?2)
        order by aggregate_id, aggregate_type limit ?3)

-- statement: consumer_hold
update consumer set position = coalesce(?3, position), moved_at = case when ?3 is null then moved_at else ?4 end
where name = ?1 and epoch = ?2

-- statement: consumer_over
delete from consumer_waiting where number = ?2 and consumer = ?1

-- statement: consumer_later
update consumer_waiting set attempts = ?3, due_at = ?4 where number = ?2 and consumer = ?1

-- statement: consumer_wait
insert into consumer_waiting (consumer, key, event_id, attempts, due_at, event) values (?1, ?2, ?3, ?4, ?5, ?6)
on conflict (consumer, event_id) do nothing

-- The event that a message for a consumer holds (?3: its body).
-- statement: consumer_asked
insert into consumer_waiting (consumer, key, event_id, due_at, event)
select ?1, coalesce(?3 ->> '$[1].event.aggregate_type', '') || '/' || coalesce(?3 ->> '$[1].event.aggregate_id', ''),
        coalesce(?3 ->> '$[1].event.id', ''), ?2, ?3 -> '$[1].event'
where ?3 -> '$[1].event' is not null
on conflict (consumer, event_id) do nothing

-- Events of the last 29 days (the inbox knows 30; ?4: their beginning) that the consumer ?1 hears (?2: {"types", "aggregates"}, none: any), and has neither
-- acted on, put aside nor refused.
-- statement: consumer_missed
-- gives: outbox_text
select '', e.id, e.aggregate_type, e.aggregate_id, e.type, e.payload, e.created_at, null, null
from event e
where e.created_at > ?4 and e.type in (select value from json_each(?2, '$.types'))
        and (json_array_length(?2, '$.aggregates') = 0 or e.aggregate_type in (select value from json_each(?2, '$.aggregates')))
        and not exists (select 1 from inbox i where i.consumer = ?1 and i.event_id = e.id)
        and not exists (select 1 from consumer_waiting w where w.consumer = ?1 and w.event_id = e.id)
        and not exists (select 1 from dead_letter d where d.task_id = ?1 || '/' || e.id)
order by e.created_at, e.aggregate_id, e.version limit ?3
