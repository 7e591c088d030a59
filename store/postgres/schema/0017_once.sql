-- SPDX-License-Identifier: Apache-2.0
-- Requests from outside that their clients may send again: each is done once, under one id, whoever takes it.

create table chard.once (
        created_at  timestamptz not null default now(),
        until       timestamptz not null, -- somebody is at it until then, unless it is done
        done        boolean not null default false,
        key         text collate "C" primary key, -- a digest of who asked, and of the key that they gave
        fingerprint text not null, -- a digest of what was asked
        job_id      text collate "C" not null,
        token       text not null -- of the attempt
) with (fillfactor = 70);

-- Rows come in the order of their times; the old ones are at one end.
create index once_by_age on chard.once using brin (created_at) with (pages_per_range = 32, autosummarize = on);

-- Forget what was asked first before a time, a bounded number of rows. Returns how many.
create function chard.forget_once(before timestamptz) returns bigint language sql volatile security definer
set search_path = pg_catalog, pg_temp as $$
        with gone as (
                delete from chard.once
                where ctid = any (array(select o.ctid from chard.once o where o.created_at < before limit 200000 for update skip locked))
                returning 1
        )
        select count(*) from gone
$$;

revoke all on function chard.forget_once(timestamptz) from public;
