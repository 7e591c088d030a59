-- SPDX-License-Identifier: Apache-2.0
-- Where each consumer stands in the outbox, and what it has put aside; as store/postgres/schema/ has it for PostgreSQL.

-- Whoever takes a consumer counts its epoch up: who had it before makes no step any more.
create table consumer (
        name     text primary key,
        position text not null default '', -- up to here each event was acted on, put aside or filed as a dead letter
        epoch    integer not null default 1,
        taken_by text not null,
        taken_at integer not null,
        moved_at integer
) strict;

-- Events that are tried again later, those behind them with the same key, and dead letters that were requeued. The first of a key goes first.
create table consumer_waiting (
        number   integer primary key autoincrement,
        due_at   integer not null,
        attempts integer not null default 0,
        consumer text not null,
        key      text not null,
        event_id text not null,
        event    text not null, -- JSON
        unique (consumer, event_id)
) strict;

create index consumer_waiting_by_key on consumer_waiting (consumer, key, number);

-- ---- seals: what the events of a day were, so that one that is changed, missing or slipped in later is found ----

create index event_by_age on event (created_at);

-- A row a day (UTC) that is over. `chain` is the digest of the chain before it and this row: none can be changed without all that follow.
create table event_seal (
        day       text primary key,
        events    integer not null,
        digest    text not null,
        chain     text not null,
        sealed_at integer not null
) strict;

create trigger event_seal_update before update on event_seal
begin
        select raise(abort, 'event_seal is append-only');
end;

create trigger event_seal_delete before delete on event_seal
begin
        select raise(abort, 'event_seal is append-only');
end;
