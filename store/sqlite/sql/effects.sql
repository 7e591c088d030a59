-- SPDX-License-Identifier: Apache-2.0
-- What a task's commit and an event's effects share.

-- statement: fact_writer
select task_id from fact where kind = ?1 and owner = ?2 and key = ?3

-- statement: fact_once
insert into fact (kind, owner, key, once, at, task_id, value)
values (?1, ?2, ?3, 1, ?4, ?5, ?6)
on conflict (kind, owner, key) do nothing

-- statement: fact_merge
insert into fact (kind, owner, key, at, task_id, value)
values (?1, ?2, ?3, ?4, ?5, ?6)
on conflict (kind, owner, key) do update set at = ?4, task_id = ?5, value = ?6
where once = 0
