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
