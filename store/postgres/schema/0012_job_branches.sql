-- SPDX-License-Identifier: Apache-2.0
-- A job ends with its last branch. A job that is under way when this comes has one, as before.

alter table chard.job add column branches integer not null default 1;

comment on column chard.job.branches is 'how many have not ended; those that ended in a failure stay open';
