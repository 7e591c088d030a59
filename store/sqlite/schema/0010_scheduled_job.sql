-- SPDX-License-Identifier: Apache-2.0
-- Whose job a scheduled message belongs to. Its task tells that, unless it has no row yet: it was put off before its first claim, or is sent on by
-- the sweeper.
alter table scheduled add column root_id text;
create index scheduled_of_job on scheduled (root_id) where root_id is not null;
