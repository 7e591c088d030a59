-- SPDX-License-Identifier: Apache-2.0
-- Leases that a fleet has among itself.

-- statement: lease_take
insert into lease (name, holder, token, until) values (?1, ?2, ?3, ?4 + ?5)
on conflict (name) do update set holder = ?2, token = ?3, until = ?4 + ?5 where token = ?3 or until <= ?4

-- statement: lease_read
-- gives: lease
select iif(until > ?3, holder, ''), token = ?2, max(0, (until - ?3 + 999) / 1000)
from lease where name = ?1
