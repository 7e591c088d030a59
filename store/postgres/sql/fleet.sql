-- SPDX-License-Identifier: Apache-2.0
-- Leases that a fleet has among itself.

-- statement: lease_take
-- gives: lease
select holder, mine, wait_ms from chard.take_lease($1, $2, $3, $4::int8::int)
