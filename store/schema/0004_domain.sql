-- SPDX-License-Identifier: Apache-2.0
-- Rows that tasks change beside their results, and tasks that are dead.

-- A character is a user's once; task_id says which task granted it.
create table chard.character_owned (
        granted_at timestamptz not null default now(),
        user_id    text collate "C" not null,
        code       text collate "C" not null,
        task_id    text collate "C" not null,
        primary key (user_id, code)
);

create table chard.profile (
        updated_at timestamptz not null default now(),
        user_id    text collate "C" primary key,
        fields     jsonb not null default '{}'
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
