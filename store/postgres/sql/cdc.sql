-- SPDX-License-Identifier: Apache-2.0
-- Change data capture: what reads the outbox from the log.

-- statement: cdc_look
-- gives: capture
select 0, row(current_database()::text, current_setting('wal_level'))
union all
(select 1, row(slot_name::text, plugin::text, active, wal_status, safe_wal_size, pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::int8,
                pg_wal_lsn_diff(confirmed_flush_lsn, '0/0')::int8)
        from pg_catalog.pg_replication_slots where database = current_database() and slot_type = 'logical' order by slot_name)
union all
(select 2, row(pubname::text, pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot,
                (select coalesce(json_agg(t.schemaname || '.' || t.tablename order by 1), '[]')
                from pg_catalog.pg_publication_tables t where t.pubname = p.pubname))
        from pg_catalog.pg_publication p order by pubname)

-- Where a backfill begins ($2 = 'since': the oldest event behind the row) or ends ('until': what is newer than the row and all before it), as a time. Rows of the
-- outbox are in another order than times, so more than these may lie between two such times, never less. $1: a position, an event's own id, or '' for now.
-- statement: cdc_place
-- gives: place
with given as (
        select xact, number from chard.outbox
        where xact || '.' || number = $1 or (id::text = lower($1) and backfill is null) limit 1),
rows as (
        select coalesce(e.created_at, o.created_at) as at from given g
        join chard.outbox o on case when $2 = 'since' then (o.xact, o.number) > (g.xact, g.number) else (o.xact, o.number) <= (g.xact, g.number) end
        left join chard.event e on e.aggregate_id = o.aggregateid collate "C" and e.aggregate_type = o.aggregatetype collate "C" and e.id = o.id
        where o.backfill is null)
select (case $2
        when 'since' then floor(extract(epoch from coalesce((select min(at) from rows), now())) * 1000)
        else floor(extract(epoch from coalesce((select max(at) from rows), now())) * 1000) + 1 end)::int8
where $1 = '' or exists (select from given)

-- part: cdc_range
created_at >= timestamptz 'epoch' + $2::int8 * interval '1 ms' and created_at < timestamptz 'epoch' + $3::int8 * interval '1 ms'

-- statement: cdc_count
-- gives: backfill
select count(*), count(distinct (aggregate_type, aggregate_id)), (select count(distinct id) from chard.outbox where backfill = $1)
from chard.event where {{cdc_range}}

-- statement: cdc_backfill
-- gives: count
select chard.backfill($1, timestamptz 'epoch' + $2::int8 * interval '1 ms', timestamptz 'epoch' + $3::int8 * interval '1 ms', $4)
