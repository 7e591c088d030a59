-- SPDX-License-Identifier: Apache-2.0

-- A fresh row's attempts are the message's retries.
-- statement: claim_insert
insert into task (id, root_id, parent_id, name, state, starts, attempts, lease_owner, lease_until, started_at,
        created_at, replaced)
values (?1, ?2, ?3, ?4, 'STARTED', 1, ?5, ?6, ?7, ?8, ?8, ?9) on conflict (id) do nothing

-- A job that was cancelled takes along those of its tasks that nobody knew of yet.
-- statement: claim_cancelled
insert into task (id, root_id, parent_id, name, state, attempts, created_at, finished_at)
select ?1, ?2, ?3, ?4, 'REVOKED', ?5, ?6, ?6 from job
where root_id = ?2 and state = 'REVOKED' and error ->> '$.code' = 'cancelled' on conflict (id) do nothing

-- A lease taken before the owner's last start is one of an earlier process of that name, and void.
-- statement: claim_judge
select state, starts, attempts, lease_until, name = '',
        case when state = 'SUCCESS' then result end, case when state = 'FAILURE' then error end,
        state in ('PENDING', 'STARTED', 'RETRY') and (?5, ?2) >= (replaced, attempts)
                and (state <> 'STARTED' or lease_owner is null or lease_owner = ?3
                                or lease_until <= ?4 and not exists (select 1 from worker w, json_each(w.state, '$.uncommitted') u
                                                where w.name = t.lease_owner and w.beat_at > ?4 - 20000000 and u.value = t.id)
                                or exists (select 1 from worker w where w.name = t.lease_owner and w.started_at > t.started_at)),
        replaced, sends
from task t where id = ?1

-- statement: claim_again
update task set state = 'STARTED', starts = starts + 1, lease_owner = ?2, lease_until = ?3, started_at = ?4,
        name = case when name = '' or ?6 > 0 then ?5 else name end, replaced = ?6 where id = ?1

-- statement: claim_name
update task set name = ?2 where id = ?1

-- The job's row is there from its first task on; one that has succeeded goes on when a task comes that nobody here sent: the body of a chord whose
-- header's tasks are jobs of their own, say. One that has failed stays so until somebody requeues it.
-- statement: claim_job
insert into job (root_id, pipeline, created_at, updated_at) values (?1, ?2, ?3, ?3)
on conflict (root_id) do update set state = 'STARTED', branches = 1, finished_at = null, updated_at = ?3
where state = 'SUCCESS'

-- statement: claim_facts
select json_quote(key), value from fact where kind = ?1 and owner = ?2 order by key
