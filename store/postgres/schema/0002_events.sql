-- SPDX-License-Identifier: Apache-2.0
-- What happened: kept for good in `event`, handed to change data capture in `outbox`.

create table chard.event (
        created_at     timestamptz not null default now(),
        id             uuid not null,
        version        integer not null,
        aggregate_type text collate "C" not null,
        aggregate_id   text collate "C" not null,
        type           text not null,
        root_id        text collate "C" not null,
        task_id        text collate "C" not null,
        payload        jsonb not null,
        primary key (aggregate_id, aggregate_type, version)
) with (
        autovacuum_vacuum_insert_scale_factor = 0.05,
        autovacuum_analyze_scale_factor = 0.02
);

comment on table chard.event is 'append-only; version counts each aggregate''s events from 1 without a gap';

-- Most events are about the job itself, and are found by the primary key.
create index event_of_job on chard.event (root_id) where root_id <> aggregate_id;

-- The default columns of Debezium's outbox event router. Rows are only ever inserted, and read from the write-ahead
-- log, so there is no index; days that are over are dropped as whole partitions.
create table chard.outbox (
        id                 uuid not null,
        created_at         timestamptz not null default now(),
        aggregatetype      text not null,
        aggregateid        text not null,
        type               text not null,
        payload            jsonb not null,
        tracingspancontext text
) partition by range (created_at);

create table chard.outbox_default partition of chard.outbox default;

-- A connector updates its row now and then, so that the replication slot moves on even when nothing happens.
create table chard.heartbeat (
        name    text collate "C" primary key,
        beat_at timestamptz not null default now()
) with (fillfactor = 50);

insert into chard.heartbeat (name) values ('chard');

-- Make the outbox's partitions of today and the coming week, and drop those of days more than keep_days ago. Dropping locks the whole outbox until the
-- transaction ends, so whatever takes longer is forgotten in transactions of its own, which whoever keeps the fleet runs behind this one.
-- Returns how many were made and dropped. Run by migrate and by the keeper now and then; another one at the same
-- time is left to do it alone. Days are those of UTC.
create function chard.maintain(at timestamptz default now(), keep_days integer default 7) returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set lock_timeout = '2s'
as $$
declare
        day     date;
        part    text;
        changes integer := 0;
begin
        if not pg_try_advisory_xact_lock(hashtextextended('chard.maintain', 0)) then
                return 0;
        end if;
        for day in select at::date + n from generate_series(0, 7) as n loop
                part := 'outbox_' || to_char(day, 'YYYYMMDD');
                continue when to_regclass('chard.' || part) is not null;
                begin
                        execute format('create table chard.%I partition of chard.outbox for values from (%L) to (%L)',
                                       part, day::timestamptz, (day + 1)::timestamptz);
                        changes := changes + 1;
                exception when check_violation then
                        raise notice 'rows of % are in chard.outbox_default already and stay there', day;
                end;
        end loop;
        for part in
                select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
                where i.inhparent = 'chard.outbox'::regclass and c.relname ~ '^outbox_[0-9]{8}$'
                  and to_date(right(c.relname, 8), 'YYYYMMDD') < at::date - keep_days
        loop
                execute format('drop table chard.%I', part);
                changes := changes + 1;
        end loop;
        delete from chard.outbox_default where created_at < at::date - keep_days;
        return changes;
end
$$;

revoke all on function chard.maintain(timestamptz, integer) from public;

-- Only the database's owner or a superuser may make a publication; without it, it can be made later by one of them.
do $$
begin
        create publication chard_outbox for table chard.outbox, chard.heartbeat
                with (publish = 'insert, update', publish_via_partition_root = true);
exception when insufficient_privilege or duplicate_object then
        raise notice 'publication chard_outbox was not created: %', sqlerrm;
end
$$;
