-- SPDX-License-Identifier: Apache-2.0

-- A failed attempt counts only while the task is ours, or nobody's: whoever took it over after our lease ran out decides about it. Said twice it
-- changes nothing: the attempts are given, not counted up, and the scheduled row has its own key. A task that has succeeded only takes its job down.
-- A job that fails, and had not failed already, says so in an event.
-- statement: fail on commits
with i as materialized (
select * from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int4[], $8::jsonb[], $9::int4[],
        $10::int4[], $11::int8[], $12::text[], $13::text[], $29::int4[]) with ordinality
        as i (id, root_id, parent_id, name, state, attempts, error, tokens_in, tokens_out, cost, pipeline, part, excused, n)),
done as (
        insert into chard.task as t (id, root_id, parent_id, name, state, attempts, error, tokens_in, tokens_out,
                cost_nano, finished_at, chord_part)
        select id, root_id, parent_id, name, state, attempts, error, tokens_in, tokens_out, cost,
                case when state = 'FAILURE' then now() end, part from i
        on conflict (id) do update set state = excluded.state, attempts = greatest(t.attempts, excluded.attempts),
                error = excluded.error, tokens_in = t.tokens_in + excluded.tokens_in,
                tokens_out = t.tokens_out + excluded.tokens_out, cost_nano = t.cost_nano + excluded.cost_nano,
                finished_at = excluded.finished_at, lease_owner = null, lease_until = null,
                chord_part = excluded.chord_part,
                starts = case when t.id in (select i.id from i where i.excused > 0) then greatest(t.starts - 1, 0) else t.starts end
        where t.state in ('PENDING', 'STARTED', 'RETRY') and (t.lease_owner is null or t.lease_owner = $1)
                and (excluded.state = 'FAILURE' or excluded.attempts > t.attempts)
        returning t.id),
again as (
        {{scheduled_rows($14, $15, $16, $17, $18, $19, $20, $21, $22, $23)}}
        where case when s.of in (select id from done) then true else false end
        on conflict (key) do nothing),
jobs as (
        insert into chard.job as j (root_id, pipeline, state, error, finished_at)
        select distinct on (root_id collate "C") root_id, pipeline, 'FAILURE', error, now() from i
        where state = 'FAILURE' and pipeline is not null
                and (case when i.id in (select id from done) then true else false end
                        or (select t.state from chard.task t where t.id = i.id) = 'SUCCESS')
        order by root_id collate "C", n
        on conflict (root_id) do update set state = 'FAILURE', error = excluded.error, finished_at = now(), updated_at = now()
        where j.state <> 'FAILURE' and (j.state <> 'SUCCESS' or j.root_id in
                (select i.root_id from i where i.state = 'FAILURE' and i.id in (select id from done)))
        returning j.root_id),
e as materialized (
        select distinct on (i.root_id) gen_random_uuid() as id, i.id as task_id, i.root_id, v.aggregate_type, i.root_id as aggregate_id, v.type, v.payload, v.trace, i.n
        from i join unnest($24::text[], $25::text[], $26::text[], $27::jsonb[], $28::text[])
                as v (task_id, aggregate_type, type, payload, trace) on v.task_id = i.id
        where i.root_id in (select root_id from jobs)
                and (case when i.id in (select id from done) then true else false end
                        or (select t.state from chard.task t where t.id = i.id) = 'SUCCESS')
        order by i.root_id, i.n),
{{record_events}}
select id from done

-- statement: give_back on commits
with back as (
        update chard.task set state = case when attempts > 0 then 'RETRY' else 'PENDING' end,
                starts = greatest(starts - 1, 0), lease_owner = null, lease_until = null
        where id = any ($2::text[]) and state = 'STARTED' and lease_owner = $1)
{{scheduled_rows($3, $4, $5, $6, $7, $8, $9, $10, $11, $12)}}
on conflict (key) do nothing

-- statement: owe
insert into chard.owed_result (key, task_id, queue, properties, body, telling, due_at)
select key, task_id, queue, properties, body, telling, now() + wait * interval '1 ms'
from unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::bytea[], $6::bytea[], $7::int8[])
        as s (key, task_id, queue, properties, body, telling, wait)
on conflict (key) do nothing

-- They are somebody's for a while: one that dies meanwhile leaves them to others.
-- statement: owed_take
-- gives: owed
with due as (select id from chard.owed_result where due_at <= now() order by id limit $1::int8
        for update skip locked),
taken as (update chard.owed_result o set due_at = now() + interval '30 s' from due where o.id = due.id
        returning o.*)
select id, task_id, queue, properties, body, telling from taken order by id

-- statement: owed_told
delete from chard.owed_result where id = any ($1::int8[])

-- statement: owed_untold
update chard.owed_result set due_at = now() where id = any ($1::int8[])

-- One that runs under somebody's lease stays his, one that has ended stays as it is. A row made before the message came learns from it whose it is.
-- Its job ends with it. $6: the ids of those that ran under our own lease. Answers with the ids of those that are revoked now.
-- statement: revoke
with i as materialized (
        select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
                as i (id, root_id, parent_id, name, pipeline)),
done as (
        insert into chard.task as t (id, root_id, parent_id, name, state, finished_at)
        select id, root_id, parent_id, name, 'REVOKED', now() from i
        on conflict (id) do update set state = 'REVOKED', lease_owner = null, lease_until = null,
                finished_at = coalesce(t.finished_at, now()), name = case when t.name = '' then excluded.name else t.name end,
                root_id = case when t.name = '' then excluded.root_id else t.root_id end,
                parent_id = coalesce(t.parent_id, excluded.parent_id)
        where t.state in ('PENDING', 'RETRY', 'REVOKED') or (t.state = 'STARTED' and (t.lease_owner is null
                or t.lease_until <= now() or (t.lease_owner = $7::text and t.id = any ($6::text[]))))
        returning t.id, t.root_id),
made as (
        insert into chard.job (root_id, pipeline, state, finished_at)
        select distinct on (root_id collate "C") root_id, pipeline, 'REVOKED', now() from i
        where pipeline is not null and case when id in (select id from done) then true else false end
        order by root_id collate "C"
        on conflict (root_id) do update set state = 'REVOKED', finished_at = now(), updated_at = now()
        where chard.job.state in ('PENDING', 'STARTED', 'RETRY')),
ended as (
        update chard.job set state = 'REVOKED', finished_at = now(), updated_at = now()
        where root_id = any (array(select root_id from done
                where case when root_id in (select root_id from i where pipeline is not null) then false else true end))
        and state in ('PENDING', 'STARTED', 'RETRY'))
select id from done order by id collate "C"
