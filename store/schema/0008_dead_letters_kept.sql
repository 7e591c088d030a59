-- SPDX-License-Identifier: Apache-2.0
-- What was done to dead letters stays on record, and nothing is sent that is on its way already.

-- Is a task scheduled already?
create index scheduled_of_task on chard.scheduled (task_id) where task_id is not null;

-- Which audit rows speak of an entry: more may come, none goes. (The condition is looked at for each changed row; the function
-- is called only where it fails.)
create trigger acts_append_only before update of acts on chard.dead_letter
        for each row when (new.acts[1:cardinality(old.acts)] is distinct from old.acts)
        execute function chard.append_only();
