-- SPDX-License-Identifier: Apache-2.0
-- The store's tables, as store/postgres/schema/ has them for PostgreSQL, in SQLite's types: times are microseconds since 1970 (UTC),
-- JSON is text. Read a time with datetime(created_at / 1000000, 'unixepoch').
--
-- What differs: JSON keeps what PostgreSQL's jsonb refuses or makes plain (the NUL character, keys that are there twice); a row
-- that is being released carries the name of who does it and until when; outbox rows are numbered as they commit.

create table task (
        id          text primary key,
        root_id     text not null,
        parent_id   text,
        name        text not null default '',
        state       text not null default 'PENDING'
                    check (state in ('STARTED', 'SUCCESS', 'PENDING', 'RETRY', 'FAILURE', 'REVOKED')),
        created_at  integer not null default (cast((julianday('now') - 2440587.5) * 86400000 as integer) * 1000),
        started_at  integer,
        finished_at integer,
        lease_owner text,
        lease_until integer,                     -- until then no other worker starts it
        starts      integer not null default 0,  -- how often it was claimed, but for attempts that were handed back
        attempts    integer not null default 0,  -- failed attempts
        replaced    integer not null default 0,  -- how often it was replaced by a canvas, which goes on under its id
        tokens_in   integer not null default 0,
        tokens_out  integer not null default 0,
        cost_nano   integer not null default 0,  -- billionths of a dollar, all attempts together
        elapsed_ms  integer,
        provider    text,
        model       text,
        error       text,
        sends       text,                        -- the canvases that it sends beside its result, or in its place: they are sent again after a crash
        result      text                         -- as the task wrote it, byte for byte; last, so that it is read only when it is asked for
) strict;

-- A job's only or first task has the job's id: those need no second index entry.
create index task_of_job on task (root_id) where root_id <> id;

create table job (
        root_id     text primary key,
        pipeline    text not null default '',
        state       text not null default 'STARTED'
                    check (state in ('STARTED', 'SUCCESS', 'PENDING', 'RETRY', 'FAILURE', 'REVOKED')),
        created_at  integer not null default (cast((julianday('now') - 2440587.5) * 86400000 as integer) * 1000),
        updated_at  integer not null default (cast((julianday('now') - 2440587.5) * 86400000 as integer) * 1000),
        finished_at integer,
        error       text,
        document    text
) strict;

-- A worker that starts writes its started_at: leases that an earlier process of that name took before are void.
create table worker (
        name       text primary key,
        started_at integer not null default (cast((julianday('now') - 2440587.5) * 86400000 as integer) * 1000),
        beat_at    integer not null default (cast((julianday('now') - 2440587.5) * 86400000 as integer) * 1000),
        state      text not null default '{}'
) strict;

-- What one process of a fleet may do at a time, and who has it. The token is that process's own: two of one name are two.
create table lease (
        name   text primary key,
        holder text not null,
        token  text not null,
        until  integer not null
) strict;

-- Append-only; version counts each aggregate's events from 1 without a gap.
create table event (
        id             text not null,
        aggregate_type text not null,
        aggregate_id   text not null,
        version        integer not null,
        type           text not null,
        root_id        text not null,
        task_id        text not null,
        created_at     integer not null,
        payload        text not null,
        primary key (aggregate_id, aggregate_type, version)
) strict;

-- Most events are about the job itself, and are found by the primary key.
create index event_of_job on event (root_id) where root_id <> aggregate_id;

-- One writer at a time numbers the rows: their order is the order of the commits, and no number ever comes again.
create table outbox (
        position           integer primary key autoincrement,
        id                 text not null,
        created_at         integer not null,
        aggregatetype      text not null,
        aggregateid        text not null,
        type               text not null,
        payload            text not null,
        tracingspancontext text
) strict;

-- Messages that are published later, or surely. `key` is made by whoever inserts, so that an insert that is repeated is the same row.
-- No id ever comes again, because whoever publishes a row deletes it by its id, however late.
create table scheduled (
        id           integer primary key autoincrement,
        key          blob not null default (randomblob(16)) unique,
        due_at       integer not null,
        created_at   integer not null default (cast((julianday('now') - 2440587.5) * 86400000 as integer) * 1000),
        locked_by    text,    -- the worker that is publishing it
        locked_until integer, -- put off while it does; when it is gone, others take the row
        reason       text not null,
        task_id      text,
        exchange     text not null,
        routing_key  text not null,
        properties   blob not null, -- AMQP 0-9-1 basic properties as on the wire
        body         blob not null,
        returns      integer not null default 0 -- how often it was published and no queue took it
) strict;

create index scheduled_due on scheduled (due_at);

-- What is still to be told of tasks that have ended, while the result backend is away: the message that the task came in, and what to say.
create table owed_result (
        id         integer primary key autoincrement,
        key        blob not null unique,
        created_at integer not null,
        due_at     integer not null, -- in the future while a worker is telling it
        task_id    text,
        queue      text not null,
        properties blob not null,
        body       blob not null,
        telling    blob not null
) strict;

-- Facts: (kind, owner, key) -> value; task_id says which task wrote it. One that was written once stays as it is.
create table fact (
        kind    text not null,
        owner   text not null,
        key     text not null,
        once    integer not null default 0,
        at      integer not null default (cast((julianday('now') - 2440587.5) * 86400000 as integer) * 1000),
        task_id text not null,
        value   text not null,
        primary key (kind, owner, key)
) strict;
