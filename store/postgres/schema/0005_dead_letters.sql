-- SPDX-License-Identifier: Apache-2.0
-- Dead letters that an operator works with, what was done to them, and jobs that got stuck.

-- The table of before was never written to.
drop table chard.dead_letter;

-- `key` is the letter itself, so that one that is redelivered is filed once; `same` is its task, which has one kept
-- entry at most. Large content is kept out of line, not compressed.
create table chard.dead_letter (
        entry         bigint generated always as identity primary key,
        died_at       timestamptz not null,
        kept_at       timestamptz not null default now(),
        settled_at    timestamptz,
        attempts      integer not null default 0,
        rounds        integer not null default 0,
        automatic     boolean not null default false,
        key           uuid not null unique,
        same          uuid not null,
        state         text collate "C" not null default 'kept' check (state <> ''),
        task_id       text collate "C" not null default '',
        root_id       text collate "C" not null default '',
        name          text collate "C" not null default '',
        queue         text collate "C" not null default '',
        error_source  text collate "C" not null default '',
        error_code    text collate "C" not null default '',
        error_message text not null default '',
        group_id      text collate "C" not null default '',
        cause         text not null default '',
        trace_id      text not null default '',
        user_id       text collate "C" not null default '',
        worker        text not null default '',
        next_task     text not null default '',
        acts          bigint[] not null default '{}',
        properties    bytea not null,
        body          bytea not null,
        edited        bytea
) with (
        fillfactor = 90,
        autovacuum_vacuum_scale_factor = 0.05,
        autovacuum_vacuum_insert_scale_factor = 0.05,
        autovacuum_analyze_scale_factor = 0.05
);

alter table chard.dead_letter alter column body set storage external, alter column properties set storage external;

comment on column chard.dead_letter.rounds is 'requeues by a policy, one after the other, that led to this death';
comment on column chard.dead_letter.automatic is 'it was a policy that requeued it';
comment on column chard.dead_letter.acts is 'rows of dead_letter_audit that say what was done to it';
comment on column chard.dead_letter.edited is 'the body that is sent instead when it is requeued';

create unique index dead_letter_kept on chard.dead_letter (same) where state = 'kept';
create index dead_letter_state on chard.dead_letter (state, entry);
create index dead_letter_of_task on chard.dead_letter (task_id, entry);
create index dead_letter_in on chard.dead_letter using brin (kept_at) with (pages_per_range = 32);
create index dead_letter_out on chard.dead_letter using brin (settled_at) with (pages_per_range = 32);

-- What was done, a row a transaction: who, when, what, to how many, why. Nothing here is ever changed or taken away.
create table chard.dead_letter_audit (
        id        bigint generated always as identity primary key,
        at        timestamptz not null default now(),
        batch     uuid not null unique,
        operation text not null,
        action    text not null,
        who       text not null,
        reason    text not null,
        scope     text not null,
        entries   integer not null
);

create function chard.append_only() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
        raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end
$$;

create trigger append_only before update or delete or truncate on chard.dead_letter_audit
        for each statement execute function chard.append_only();

-- Groups that somebody was told of, and how many entries they had then.
create table chard.dead_letter_alarm (
        group_id text collate "C" primary key,
        at       timestamptz not null default now(),
        leased_until timestamptz not null default 'epoch', -- somebody was given it, and tells of it
        entries  integer not null,
        before   integer not null default 0
);

-- A job that does not move is found among those that have not ended. `chain` is what follows its task `last_task`, as
-- that task's message had it: from it and the task's result a message that was lost is made again.
alter table chard.job add column chain json, add column last_task text collate "C", add column restarts integer not null default 0;
create index job_open on chard.job (created_at) where state in ('PENDING', 'STARTED', 'RETRY');

revoke all on function chard.append_only() from public;
