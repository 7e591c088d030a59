-- SPDX-License-Identifier: Apache-2.0

-- Rows are numbered in the order of their times, so the old ones are the first ones.
-- statement: outbox_old
select position, created_at from outbox order by position limit ?1

-- statement: outbox_delete
delete from outbox where position <= ?1

-- The steps of jobs that came to their end before ?1: of ?2 of them.
-- statement: steps_forget
delete from job_step where root_id in (select s.root_id from job_step s where s.kind = 'job' and s.at < ?1
and not exists (select 1 from job_step n where n.root_id = s.root_id and n.at >= ?1) limit ?2)
