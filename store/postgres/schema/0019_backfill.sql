-- SPDX-License-Identifier: Apache-2.0
-- Events that are handed to change data capture once more, because what should have carried them has lost them.

alter table chard.outbox add column backfill text;
comment on column chard.outbox.backfill is 'which backfill has put the event here once more; null = it happened then';

create index outbox_backfill on chard.outbox (backfill, xact, number) where backfill is not null;

-- Put the next `most` events of a backfill into the outbox, and say how many there were; 0 = that was all. An aggregate's events come in their order. The rows
-- tell where it stands, so that it goes on where it was ended, whoever ended it; one goes on at a time.
create function chard.backfill(run text, since timestamptz, until timestamptz, most bigint) returns bigint language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
        last record;
        added bigint;
begin
        perform pg_advisory_xact_lock(hashtextextended('chard.backfill', 0));
        select e.aggregate_id, e.aggregate_type, e.version into last
        from (select id, aggregateid collate "C" as aggregate_id, aggregatetype collate "C" as aggregate_type from chard.outbox
              where backfill = run order by xact desc, number desc limit 1) o
        join chard.event e on e.aggregate_id = o.aggregate_id and e.aggregate_type = o.aggregate_type and e.id = o.id;
        insert into chard.outbox (id, aggregatetype, aggregateid, type, payload, backfill)
        select e.id, e.aggregate_type, e.aggregate_id, e.type, e.payload, run from chard.event e
        where e.created_at >= since and e.created_at < until
          and (e.aggregate_id, e.aggregate_type, e.version)
              > (coalesce(last.aggregate_id, ''), coalesce(last.aggregate_type, ''), coalesce(last.version, 0))
        order by e.aggregate_id, e.aggregate_type, e.version limit most;
        get diagnostics added = row_count;
        return added;
end
$$;

revoke all on function chard.backfill(text, timestamptz, timestamptz, bigint) from public;
