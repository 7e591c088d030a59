-- SPDX-License-Identifier: Apache-2.0
-- Dead letters that an operator works with, what was done to them, and jobs that got stuck.

-- `key` is the letter itself, so that one that is redelivered is filed once; `same` is its task, which has one kept entry at
-- most. Its content is a row elsewhere, so that what is looked at for lists and groups stays small.
create table dead_letter (
        entry         integer primary key autoincrement,
        died_at       integer not null,
        kept_at       integer not null,
        settled_at    integer,
        attempts      integer not null default 0,
        rounds        integer not null default 0,  -- requeues by a policy, one after the other, that led to this death
        automatic     integer not null default 0,  -- it was a policy that requeued it
        edited        integer not null default 0,  -- another body is sent instead when it is requeued
        key           blob not null unique,
        same          blob not null,
        state         text not null default 'kept' check (state <> ''),
        task_id       text not null default '',
        root_id       text not null default '',
        name          text not null default '',
        queue         text not null default '',
        error_source  text not null default '',
        error_code    text not null default '',
        error_message text not null default '',
        group_id      text not null default '',
        cause         text not null default '',
        trace_id      text not null default '',
        user_id       text not null default '',
        worker        text not null default '',
        next_task     text not null default ''
) strict;

create unique index dead_letter_kept on dead_letter (same) where state = 'kept';
create index dead_letter_state on dead_letter (state, entry);
create index dead_letter_of_task on dead_letter (task_id, entry);
create index dead_letter_out on dead_letter (settled_at) where settled_at is not null;

create table dead_letter_content (
        entry      integer primary key,
        properties blob not null,
        body       blob not null,
        edited     blob
) strict;

create trigger dead_letter_gone after delete on dead_letter
begin
        delete from dead_letter_content where entry = old.entry;
end;

-- What was done, a row a transaction: who, when, what, to how many, why. Nothing here is ever changed or taken away.
create table dead_letter_audit (
        id        integer primary key autoincrement,
        at        integer not null,
        batch     blob not null unique,
        operation text not null,
        action    text not null,
        who       text not null,
        reason    text not null,
        scope     text not null,
        entries   integer not null
) strict;

create trigger dead_letter_audit_update before update on dead_letter_audit
begin
        select raise(abort, 'dead_letter_audit is append-only');
end;

create trigger dead_letter_audit_delete before delete on dead_letter_audit
begin
        select raise(abort, 'dead_letter_audit is append-only');
end;

-- To which entries.
create table dead_letter_act (
        entry integer not null,
        audit integer not null,
        primary key (entry, audit)
) strict, without rowid;

-- Groups that somebody was told of, and how many entries they had then.
create table dead_letter_alarm (
        group_id text primary key,
        at       integer not null,
        entries  integer not null,
        leased_until integer not null default 0 -- somebody was given it, and tells of it
) strict, without rowid;

-- A job that does not move is found among those that have not ended. `chain` is what follows its task `last_task`, as
-- that task's message had it: from it and the task's result a message that was lost is made again.
alter table job add column chain text;
alter table job add column last_task text;
alter table job add column restarts integer not null default 0;
create index job_open on job (created_at) where state in ('PENDING', 'STARTED', 'RETRY');
