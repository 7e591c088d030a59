-- SPDX-License-Identifier: Apache-2.0
-- Which events a consumer has acted on: a row is written with the effects, in one transaction.

create table chard.inbox (
        at       timestamptz not null default now(),
        consumer text collate "C" not null,
        event_id text collate "C" not null,
        primary key (consumer, event_id)
) with (
        autovacuum_vacuum_insert_scale_factor = 0.05,
        autovacuum_analyze_scale_factor = 0.02
);

-- Rows come in the order of their times; the old ones are at one end.
create index inbox_by_age on chard.inbox using brin (at) with (pages_per_range = 32, autosummarize = on);

-- Forget what was acted on before a time, a bounded number of rows. Returns how many.
create function chard.forget_inbox(before timestamptz) returns bigint language sql volatile security definer
set search_path = pg_catalog, pg_temp as $$
        with gone as (
                delete from chard.inbox
                where ctid = any (array(select i.ctid from chard.inbox i where i.at < before limit 200000))
                returning 1
        )
        select count(*) from gone
$$;

revoke all on function chard.forget_inbox(timestamptz) from public;
