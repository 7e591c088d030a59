-- SPDX-License-Identifier: Apache-2.0

-- statement: due
select id, due_at, exchange, routing_key, properties, body, returns from scheduled
where due_at <= ?1 and (locked_until is null or locked_until <= ?2)
order by due_at limit ?3

-- statement: release_lock
update scheduled set locked_by = ?2, locked_until = ?3 where id = ?1

-- Only what is still ours: a process that was stopped for long may have lost its rows to another.
-- statement: release_renew
update scheduled set locked_until = ?3 where id = ?1 and locked_by = ?2

-- statement: release_unlock
update scheduled set locked_by = null, locked_until = null where id = ?1 and locked_by = ?2

-- statement: release_next
select min(due_at) from scheduled where due_at > ?1

-- Others may die: then their rows are due here.
-- statement: release_unlocked
select min(locked_until) from scheduled where due_at <= ?1 and locked_until > ?2

-- Its job has moved: the message may have waited here for longer than a job may stand still, and now waits in the broker.
-- statement: release_moved
update job set updated_at = ?2 where state in ('PENDING', 'STARTED', 'RETRY') and root_id in (
        select t.root_id from scheduled s join task t on t.id = s.task_id where s.id = ?1
        union all
        select root_id from scheduled where id = ?1 and root_id is not null)

-- statement: release_forget
delete from scheduled where id = ?1

-- What no queue took must not stand first in line for ever.
-- statement: release_later
update scheduled set due_at = ?3, locked_by = null, locked_until = null
where id = ?1 and locked_by = ?2

-- statement: release_returned
update scheduled set due_at = ?3, returns = returns + 1 where id = ?1 and locked_by = ?2

-- statement: schedule
insert into scheduled (key, due_at, created_at, reason, task_id, exchange, routing_key, properties, body, root_id)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) on conflict (key) do nothing

-- statement: scheduled_look
select max(id), min(due_at) from scheduled where id > ?1

-- ?1: what the caller picks; ?2: now.
-- part: scheduled_fits
(?1 -> '$.ids' is null or id in (select value from json_each(?1, '$.ids')))
and (?1 ->> '$.reason' is null or reason = ?1 ->> '$.reason')
and (?1 ->> '$.unroutable' is null or returns > 0)

-- part: scheduled_row
id, task_id, reason, exchange, routing_key, due_at, created_at, returns, length(body)

-- statement: scheduled_list
-- gives: scheduled
select {{scheduled_row}} from scheduled where {{scheduled_fits}} and ?2 > 0 order by due_at, id limit coalesce(?1 ->> '$.limit', -1)

-- statement: scheduled_drop
-- gives: scheduled
delete from scheduled where {{scheduled_fits}} and (locked_until is null or locked_until <= ?2) returning {{scheduled_row}}

-- statement: scheduled_audit
insert into dead_letter_audit (at, batch, operation, action, who, reason, scope, entries)
values (?2, ?3, ?1 ->> '$.operation', 'drop', ?1 ->> '$.who', ?1 ->> '$.note', ?1 ->> '$.scope', ?4)
