-- SPDX-License-Identifier: Apache-2.0
-- Where each consumer stands in the outbox, and what it has put aside.

-- Whoever takes a consumer counts its epoch up: who had it before makes no step any more.
create table chard.consumer (
        name     text collate "C" primary key,
        position text collate "C" not null default '', -- up to here each event was acted on, put aside or filed as a dead letter
        epoch    bigint not null default 1,
        taken_by text not null,
        taken_at timestamptz not null default now(),
        moved_at timestamptz
) with (fillfactor = 50);

-- Events that are tried again later, those behind them with the same key, and dead letters that were requeued. The first of a key goes first.
create table chard.consumer_waiting (
        number   bigint generated always as identity primary key,
        due_at   timestamptz not null default now(),
        attempts integer not null default 0,
        consumer text collate "C" not null,
        key      text collate "C" not null,
        event_id text collate "C" not null,
        event    text not null, -- JSON
        unique (consumer, event_id)
);

create index consumer_waiting_by_key on chard.consumer_waiting (consumer, key, number);

-- Move a consumer, and keep others from it until the transaction ends. Class CH is chard's own: what was asked does not hold (any more).
create function chard.consumer_hold(who text, mine bigint, at text) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
begin
        update chard.consumer set position = coalesce(at, position), moved_at = case when at is null then moved_at else now() end
        where name = who and epoch = mine;
        if not found then
                raise exception 'somebody else has taken the consumer %', who using errcode = 'CH001';
        end if;
end
$$;

-- All of these events were acted on, or the transaction comes to nothing.
create function chard.consumer_acted(who text, events text[]) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
begin
        -- a scalar sub-select keeps the planner to the index, whatever it believes of sizes
        if exists (select from unnest(events) as e (id)
                   where (select i.event_id from chard.inbox i where i.consumer = who and i.event_id = e.id) is null) then
                raise exception 'somebody else wrote a fact that is written once' using errcode = 'CH002';
        end if;
end
$$;

revoke all on function chard.consumer_hold(text, bigint, text), chard.consumer_acted(text, text[]) from public;

-- ---- seals: what the events of a day were, so that one that is changed, missing or slipped in later is found ----

create index event_by_age on chard.event using brin (created_at) with (pages_per_range = 32, autosummarize = on);

-- A row a day (UTC) that is over. `chain` is the digest of the chain before it and this row: none can be changed without all that follow.
create table chard.event_seal (
        day       date primary key,
        events    bigint not null,
        digest    text not null,
        chain     text not null,
        sealed_at timestamptz not null default now()
);

create trigger append_only before update or delete or truncate on chard.event_seal
        for each statement execute function chard.append_only();
