-- SPDX-License-Identifier: Apache-2.0

-- A failed attempt counts only while the task is ours, or nobody's: whoever took it over after our lease ran out decides about it. Said twice it
-- changes nothing: the attempts are given, not counted up.
-- statement: fail
insert into task (id, root_id, parent_id, name, state, attempts, error, tokens_in, tokens_out, cost_nano,
        finished_at, created_at, chord_part)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
        case when ?5 = 'FAILURE' then ?11 end, ?11, ?13)
on conflict (id) do update set state = excluded.state, attempts = max(attempts, excluded.attempts),
        error = excluded.error, tokens_in = tokens_in + excluded.tokens_in,
        tokens_out = tokens_out + excluded.tokens_out, cost_nano = cost_nano + excluded.cost_nano,
        finished_at = excluded.finished_at, lease_owner = null, lease_until = null, chord_part = ?13,
        starts = max(starts - ?14, 0)
where state in ('PENDING', 'STARTED', 'RETRY') and (lease_owner is null or lease_owner = ?12)
        and (excluded.state = 'FAILURE' or excluded.attempts > attempts)

-- A task that has succeeded only takes its job down.
-- statement: fail_succeeded
select 1 from task where id = ?1 and state = 'SUCCESS'

-- statement: fail_job
insert into job (root_id, pipeline, state, error, created_at, updated_at, finished_at)
values (?1, ?2, 'FAILURE', ?3, ?4, ?4, ?4)
on conflict (root_id) do update set state = 'FAILURE', error = excluded.error, finished_at = ?4, updated_at = ?4
where state <> 'FAILURE' and (state <> 'SUCCESS' or ?5)

-- statement: give_back
update task set state = case when attempts > 0 then 'RETRY' else 'PENDING' end,
        starts = max(starts - 1, 0), lease_owner = null, lease_until = null
where id = ?1 and state = 'STARTED' and lease_owner = ?2

-- statement: owe
insert into owed_result (key, created_at, due_at, task_id, queue, properties, body, telling)
values (?1, ?2, ?8, ?3, ?4, ?5, ?6, ?7) on conflict (key) do nothing

-- statement: owed_take
-- gives: owed
update owed_result set due_at = ?2 where id in
(select id from owed_result where due_at <= ?1 order by id limit ?3)
returning id, task_id, queue, properties, body, telling

-- statement: owed_told
delete from owed_result where id = ?1

-- statement: owed_untold
update owed_result set due_at = 0 where id = ?1

-- One that runs under somebody's lease stays his, one that has ended stays as it is. A row made before the message came learns from it whose it is.
-- statement: revoke_task
insert into task (id, root_id, parent_id, name, state, finished_at, created_at)
values (?1, ?2, ?3, ?4, 'REVOKED', ?5, ?5)
on conflict (id) do update set state = 'REVOKED', lease_owner = null, lease_until = null,
        finished_at = coalesce(finished_at, ?5), root_id = case when name = '' then excluded.root_id else root_id end,
        parent_id = coalesce(parent_id, excluded.parent_id),
        name = case when name = '' then excluded.name else name end
where state in ('PENDING', 'RETRY', 'REVOKED')
        or (state = 'STARTED' and (lease_owner is null or lease_until <= ?5 or lease_owner = ?6))

-- Its job ends with it.
-- statement: revoke_job
update job set state = 'REVOKED', finished_at = ?2, updated_at = ?2
where root_id = (select root_id from task where id = ?1 and state = 'REVOKED')
        and state in ('PENDING', 'STARTED', 'RETRY')

-- statement: revoke_made
insert into job (root_id, pipeline, state, created_at, updated_at, finished_at)
select root_id, ?2, 'REVOKED', ?3, ?3, ?3 from task where id = ?1 and state = 'REVOKED'
on conflict (root_id) do nothing
