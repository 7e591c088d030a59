-- SPDX-License-Identifier: Apache-2.0
-- What was done to dead letters stays on record, and nothing is sent that is on its way already.

-- Is a task scheduled already?
create index scheduled_of_task on scheduled (task_id) where task_id is not null;

-- `insert or replace` takes the old row away without a word to the triggers on deletion.
create trigger dead_letter_audit_insert before insert on dead_letter_audit
when exists (select 1 from dead_letter_audit where id = new.id or batch = new.batch)
begin
        select raise(abort, 'dead_letter_audit is append-only');
end;

create trigger dead_letter_act_update before update on dead_letter_act
begin
        select raise(abort, 'dead_letter_act is append-only');
end;

create trigger dead_letter_act_delete before delete on dead_letter_act
begin
        select raise(abort, 'dead_letter_act is append-only');
end;
