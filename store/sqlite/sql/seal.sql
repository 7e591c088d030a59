-- SPDX-License-Identifier: Apache-2.0
-- Seals over the days of the event store.

-- Days that are over, from ?1 on; where that is '', from the first that has anything; where it is 'next', from the one behind the last that is sealed.
-- statement: seal_days
-- gives: days
with recursive first (day) as (
        select case when ?1 not in ('', 'next') then ?1
                when ?1 = 'next' then coalesce((select date(max(day), '+1 day') from event_seal), date(min(created_at) / 1000000, 'unixepoch'))
                else coalesce(min(date(min(created_at) / 1000000, 'unixepoch'), (select min(day) from event_seal)),
                        date(min(created_at) / 1000000, 'unixepoch'), (select min(day) from event_seal)) end
        from event),
days (day) as (
        select day from first where day <= ?2 union all select date(day, '+1 day') from days where day < ?2)
select day, exists (select 1 from event_seal s where s.day = days.day)
from days order by day

-- What its events say, in the order in which they are digested.
-- statement: seal_events
select json_array(id, aggregate_type, aggregate_id, version, type, root_id, task_id, created_at, payload) from event
where created_at >= unixepoch(?1) * 1000000 and created_at < unixepoch(?1, '+1 day') * 1000000
order by aggregate_type, aggregate_id, version

-- The seal of a day, and the chain before it.
-- statement: seal_read
select s.events, s.digest, s.chain, (select b.chain from event_seal b where b.day < ?1 order by b.day desc limit 1)
from (select ?1 as day) d left join event_seal s on s.day = d.day

-- statement: seal_make
insert into event_seal (day, events, digest, chain, sealed_at) select ?1, ?2, ?3, ?4, ?5
where not exists (select 1 from event_seal where day >= ?1)
