-- SPDX-License-Identifier: Apache-2.0
-- What was done to dead letters stays on record, and nothing is sent that is on its way already.

-- Is a task scheduled already?
create index scheduled_of_task on chard.scheduled (task_id) where task_id is not null;

-- What goes through all that is kept. An entry that is no longer kept needs no place there: less to write for each of a hundred thousand.
drop index chard.dead_letter_state;
create index dead_letter_kept_entry on chard.dead_letter (entry) where state = 'kept';

-- Which audit rows speak of an entry: more may come, none goes. (The condition is looked at for each changed row; the function
-- is called only where it fails.)
create trigger acts_append_only before update of acts on chard.dead_letter
        for each row when (new.acts[1:cardinality(old.acts)] is distinct from old.acts)
        execute function chard.append_only();
