-- SPDX-License-Identifier: Apache-2.0

-- Leases of an earlier process of this name are void from here on: a claim compares their time with the worker's start.
-- statement: void_leases
insert into chard.worker (name) values ($1::text)
on conflict (name) do update set started_at = now()

-- Creating what may be there already can collide with somebody who does the same: hence after the lock.
-- statement: migrate_prepare
set client_min_messages = warning; set timezone = 'UTC';
select pg_advisory_lock(hashtextextended('chard.migrate', 0));
do $$ begin if to_regnamespace('chard') is null then create schema chard; end if; end $$;
create table if not exists chard.schema_version (
version integer primary key, name text not null, checksum text not null,
applied_at timestamptz not null default now(), applied_by text not null default session_user)

-- statement: migrate_applied
select version, checksum from chard.schema_version order by version

-- The locks that a writer needs, and a write. Inside a DO block, because LOCK wants a transaction block of its own otherwise.
-- statement: probe
do $$ begin lock table chard.task, chard.job, chard.event, chard.outbox, chard.scheduled, chard.dead_letter
in row exclusive mode nowait;
update chard.worker set beat_at = beat_at where name = current_setting('application_name'); end $$
