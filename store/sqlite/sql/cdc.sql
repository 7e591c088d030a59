-- SPDX-License-Identifier: Apache-2.0
-- Backfills.

-- Where one begins (?2 = 'since': the oldest event behind the row) or ends ('until': what is newer than the row and all before it), as a time.
-- ?1: a position, an event's own id, or '' for now; ?3: now.
-- statement: cdc_place
-- gives: place
with given as (
        select position from outbox where cast(position as text) = ?1 or (id = lower(?1) and backfill is null) limit 1),
rows as (
        select coalesce(e.created_at, o.created_at) as at from given g
        join outbox o on iif(?2 = 'since', o.position > g.position, o.position <= g.position)
        left join event e on e.aggregate_id = o.aggregateid and e.aggregate_type = o.aggregatetype and e.id = o.id
        where o.backfill is null)
select iif(?2 = 'since', coalesce((select min(at) from rows), ?3) / 1000, coalesce((select max(at) from rows), ?3) / 1000 + 1)
where ?1 = '' or exists (select 1 from given)

-- statement: cdc_count
-- gives: backfill
select count(*), count(distinct json_array(aggregate_type, aggregate_id)), (select count(distinct id) from outbox where backfill = ?1)
from event where created_at >= ?2 * 1000 and created_at < ?3 * 1000

-- Rows of events are in the order of their commits, so those of an aggregate in that of its versions.
-- statement: cdc_backfill
insert into outbox (id, aggregatetype, aggregateid, type, created_at, payload, backfill)
select id, aggregate_type, aggregate_id, type, ?5, payload, ?1 from event
where created_at >= ?2 * 1000 and created_at < ?3 * 1000
  and rowid > coalesce((select e.rowid from (select * from outbox where backfill = ?1 order by position desc limit 1) o
        join event e on e.aggregate_id = o.aggregateid and e.aggregate_type = o.aggregatetype and e.id = o.id), 0)
order by rowid limit ?4
