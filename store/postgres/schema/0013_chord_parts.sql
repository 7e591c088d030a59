-- SPDX-License-Identifier: Apache-2.0
-- Which tasks are parts of a chord's header: when Redis has lost its counters, the header is counted from here.

alter table chard.task add column chord_part text collate "C";

comment on column chard.task.chord_part is 'GROUP:INDEX, once it has ended';

create index task_chord_part on chard.task (chord_part) where chord_part is not null;
