-- SPDX-License-Identifier: Apache-2.0
-- Facts that tasks keep beside their results, and tasks that are dead.

-- (kind, owner, key) -> value; task_id says which task wrote it. One that was written once stays as it is. Views of the kinds that a domain
-- wants to show are made after the migrations.
create table chard.fact (
        at      timestamptz not null default now(),
        once    boolean not null default false,
        kind    text collate "C" not null,
        owner   text collate "C" not null,
        key     text collate "C" not null,
        task_id text collate "C" not null,
        value   jsonb not null,
        primary key (kind, owner, key)
) with (
        fillfactor = 70,
        autovacuum_vacuum_scale_factor = 0.02
);

-- A dead task: what it was, why it died, its message bit for bit, and what was done about it.
create table chard.dead_letter (
        entry         bigint generated always as identity primary key,
        died_at       timestamptz not null default now(),
        kept_at       timestamptz not null default now(),
        attempts      integer not null default 0,
        task_id       text collate "C" not null,
        root_id       text collate "C" not null,
        name          text collate "C" not null,
        queue         text not null,
        error_source  text not null,
        error_code    text not null,
        error_message text not null,
        trace_id      text,
        state         text not null default 'kept' check (state in ('kept', 'requeued', 'discarded')),
        properties    bytea not null,
        body          bytea not null,
        audit         jsonb not null default '[]'
);

create index dead_letter_groups on chard.dead_letter (state, queue, error_code, entry);
create index dead_letter_of_task on chard.dead_letter (task_id);
