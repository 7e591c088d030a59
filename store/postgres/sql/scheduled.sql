-- SPDX-License-Identifier: Apache-2.0

-- statement: due on releases
select id, floor(extract(epoch from due_at) * 1000)::int8, exchange, routing_key, properties, body, returns
from chard.scheduled where due_at <= timestamptz 'epoch' + $1::int8 * interval '1 ms'
order by due_at limit $2::int8 for update skip locked

-- The first one that is not due yet; due ones that are locked by others come up again only if those others fail.
-- statement: next on releases
select ceil(extract(epoch from min(due_at)) * 1000)::int8 from chard.scheduled
where due_at > timestamptz 'epoch' + $1::int8 * interval '1 ms'

-- Their jobs have moved: a message may have waited here for longer than a job may stand still, and now waits in the broker. A job that somebody holds
-- moves by itself, and nobody waits for it here, so that nobody deadlocks.
-- statement: forget on releases
with gone as (delete from chard.scheduled where id = any ($1::int8[]) returning task_id, root_id),
moved as materialized (
        select j.root_id from chard.job j where j.state in ('PENDING', 'STARTED', 'RETRY') and j.root_id = any (array(
                select t.root_id from chard.task t where t.id = any (array(select task_id from gone where task_id is not null))
                union all
                select root_id from gone where root_id is not null))
        order by j.root_id collate "C" for update skip locked)
update chard.job set updated_at = clock_timestamp() where root_id = any (array(select root_id from moved))

-- What no queue took must not stand first in line for ever.
-- statement: later on releases
update chard.scheduled set due_at = now() + interval '10 s',
        returns = returns + case when id = any ($2::int8[]) then 1 else 0 end where id = any ($1::int8[])

-- Rows as columns; `of` is whose they are.
-- part: scheduled_rows(key, due, exchange, routing_key, reason, task, properties, body, of, root)
insert into chard.scheduled (key, due_at, exchange, routing_key, reason, task_id, properties, body, root_id)
select key, timestamptz 'epoch' + due * interval '1 ms', exchange, routing_key, reason, task_id, properties, body, root_id
from unnest({{key}}::uuid[], {{due}}::int8[], {{exchange}}::text[], {{routing_key}}::text[], {{reason}}::text[], {{task}}::text[],
            {{properties}}::bytea[], {{body}}::bytea[], {{of}}::text[], {{root}}::text[])
        as s (key, due, exchange, routing_key, reason, task_id, properties, body, of, root_id)

-- statement: schedule on commits
{{scheduled_rows($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)}}
on conflict (key) do nothing

-- statement: notify on commits, dead
select pg_notify('chard_scheduled', ($1::int8)::text)
