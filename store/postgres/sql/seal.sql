-- SPDX-License-Identifier: Apache-2.0
-- Seals over the days of the event store.

-- How many events a day ($1, UTC) has, and a digest of all that they say.
-- part: event_digest
select count(*) as events, encode(sha256(coalesce(string_agg(sha256(convert_to(json_build_array(id, aggregate_type, aggregate_id,
        version, type, root_id, task_id, (extract(epoch from created_at) * 1000000)::int8, payload)::text, 'UTF8')), ''::bytea
        order by aggregate_type collate "C", aggregate_id collate "C", version), ''::bytea)), 'hex') as digest
from chard.event
where created_at >= $1::text::date::timestamp at time zone 'UTC' and created_at < ($1::text::date + 1)::timestamp at time zone 'UTC'

-- part: event_first_day
(select min(created_at at time zone 'UTC')::date from chard.event)

-- part: event_chain(before, day, events, digest)
encode(sha256(convert_to(coalesce({{before}}, '') || '|' || {{day}}::text || '|' || {{events}}::text || '|' || {{digest}}, 'UTF8')), 'hex')

-- Days that are over, from $1 on; where that is '', from the first that has anything; where it is 'next', from the one behind the last that is sealed.
-- statement: seal_days on claims
-- gives: days
select day::text, exists (select from chard.event_seal s where s.day = d.day)
from (select generate_series(
                case when $1::text not in ('', 'next') then $1::text::date
                        when $1 = 'next' then coalesce((select max(day) + 1 from chard.event_seal), {{event_first_day}})
                        else least({{event_first_day}}, (select min(day) from chard.event_seal)) end,
                ((now() - interval '1 hour') at time zone 'UTC')::date - 1, interval '1 day')::date as day) as d
order by day

-- statement: seal_day on claims
-- gives: day
with d as materialized ({{event_digest}})
select 0, row($1::text, events, digest) from d
union all
select 1, row(s.events, s.digest, s.chain, s.chain = {{event_chain(b.chain, s.day, s.events, s.digest)}})
from chard.event_seal s left join lateral (select chain from chard.event_seal where day < s.day order by day desc limit 1) b on true
where s.day = $1::text::date

-- statement: seal_make on claims
-- gives: seal
with d as materialized ({{event_digest}}),
made as (
        insert into chard.event_seal (day, events, digest, chain)
        select $1::text::date, d.events, d.digest, {{event_chain(b.chain, $1::text::date, d.events, d.digest)}}
        from d left join lateral (select chain from chard.event_seal where day < $1::text::date order by day desc limit 1) b on true
        where not exists (select from chard.event_seal where day > $1::text::date)
        on conflict (day) do nothing returning day::text, events, chain)
select day, events, chain from made
