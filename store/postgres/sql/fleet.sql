-- SPDX-License-Identifier: Apache-2.0
-- Leases that a fleet has among itself.

-- statement: lease_take
select chard.take_lease($1, $2, $3, $4::int8::int)::text
