-- SPDX-License-Identifier: Apache-2.0
-- Whose job a scheduled message belongs to. Its task tells that, unless it has no row yet: it was put off before its first claim, or is sent on by
-- the sweeper.
alter table chard.scheduled add column root_id text collate "C";
create index scheduled_of_job on chard.scheduled (root_id) where root_id is not null;

comment on column chard.scheduled.root_id is 'the job, where the task may have no row yet; else null';
