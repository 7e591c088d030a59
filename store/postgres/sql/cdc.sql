-- SPDX-License-Identifier: Apache-2.0
-- Change data capture: what reads the outbox from the log.

-- statement: cdc_look
select json_build_object('database', current_database(), 'wal_level', current_setting('wal_level'),
        'slots', coalesce((select json_agg(json_build_object('name', slot_name, 'plugin', plugin, 'active', active, 'wal_status', wal_status,
                        'safe', safe_wal_size, 'lag', pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::int8,
                        'confirmed', pg_wal_lsn_diff(confirmed_flush_lsn, '0/0')::int8) order by slot_name)
                from pg_catalog.pg_replication_slots where database = current_database() and slot_type = 'logical'), '[]'),
        'publications', coalesce((select json_agg(json_build_object('name', pubname, 'insert', pubinsert, 'update', pubupdate, 'delete', pubdelete,
                        'truncate', pubtruncate, 'via_root', pubviaroot,
                        'tables', (select coalesce(json_agg(t.schemaname || '.' || t.tablename order by 1), '[]')
                                from pg_catalog.pg_publication_tables t where t.pubname = p.pubname)) order by pubname)
                from pg_catalog.pg_publication p), '[]'))::text

-- Where a backfill begins ($2 = 'since': the oldest event behind the row) or ends ('until': what is newer than the row and all before it), as a time. Rows of the
-- outbox are in another order than times, so more than these may lie between two such times, never less. $1: a position, an event's own id, or '' for now.
-- statement: cdc_place
with given as (
        select xact, number from chard.outbox
        where xact || '.' || number = $1 or (id::text = lower($1) and backfill is null) limit 1),
rows as (
        select coalesce(e.created_at, o.created_at) as at from given g
        join chard.outbox o on case when $2 = 'since' then (o.xact, o.number) > (g.xact, g.number) else (o.xact, o.number) <= (g.xact, g.number) end
        left join chard.event e on e.aggregate_id = o.aggregateid collate "C" and e.aggregate_type = o.aggregatetype collate "C" and e.id = o.id
        where o.backfill is null)
select case when $1 = '' or exists (select from given) then json_build_object('ms', (case $2
        when 'since' then floor(extract(epoch from coalesce((select min(at) from rows), now())) * 1000)
        else floor(extract(epoch from coalesce((select max(at) from rows), now())) * 1000) + 1 end)::int8) else 'null' end::text

-- part: cdc_range
created_at >= timestamptz 'epoch' + $2::int8 * interval '1 ms' and created_at < timestamptz 'epoch' + $3::int8 * interval '1 ms'

-- statement: cdc_count
select json_build_object('events', count(*), 'aggregates', count(distinct (aggregate_type, aggregate_id)),
        'done', (select count(distinct id) from chard.outbox where backfill = $1))::text
from chard.event where {{cdc_range}}

-- statement: cdc_backfill
select json_build_object('count', chard.backfill($1, timestamptz 'epoch' + $2::int8 * interval '1 ms',
        timestamptz 'epoch' + $3::int8 * interval '1 ms', $4))::text
