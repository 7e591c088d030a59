-- SPDX-License-Identifier: Apache-2.0
-- An event's effects, once.

-- statement: inbox_look
select 1 from inbox where consumer = ?1 and event_id = ?2

-- statement: inbox
insert into inbox (consumer, event_id, at) values (?1, ?2, ?3)

-- statement: inbox_forget
delete from inbox where rowid in (select rowid from inbox where at < ?1 order by at limit ?2)
