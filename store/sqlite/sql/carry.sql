-- SPDX-License-Identifier: Apache-2.0
-- All that the file holds: each page behind the cursor ?1, of ?2 rows.

-- statement: carry_out_jobs
-- gives: carry_jobs
select rowid, root_id, pipeline, state, created_at, updated_at, finished_at, error, document, chain, last_task, restarts, branches
from job where rowid > ?1 order by rowid limit ?2

-- statement: carry_out_tasks
-- gives: carry_tasks
select rowid, id, root_id, parent_id, name, state, created_at, started_at, finished_at, starts, attempts, tokens_in, tokens_out,
        cost_nano, elapsed_ms, provider, model, error, result, replaced, sends, chord_part
from task where rowid > ?1 order by rowid limit ?2

-- statement: carry_out_events
-- gives: carry_events
select e.rowid, e.id, e.aggregate_type, e.aggregate_id, e.version, e.type, e.root_id, e.task_id, e.created_at, e.payload,
        o.id is not null, o.tracingspancontext
from (select rowid, * from event where rowid > ?1 order by rowid limit ?2) as e
left join outbox as o on o.id = e.id and o.backfill is null order by e.rowid

-- statement: carry_out_facts
-- gives: carry_facts
select rowid, at, once, kind, owner, key, task_id, value from fact where rowid > ?1 order by rowid limit ?2

-- statement: carry_out_inbox
-- gives: carry_inbox
select rowid, at, consumer, event_id from inbox where rowid > ?1 order by rowid limit ?2

-- statement: carry_out_once
-- gives: carry_once
select rowid, key, fingerprint, job_id, token, until, created_at, done from once where rowid > ?1 order by rowid limit ?2

-- statement: carry_out_keys
-- gives: carry_keys
select rowid, id, name, digest, scopes, rate, created_at, revoked_at from api_key where rowid > ?1 order by rowid limit ?2

-- statement: carry_out_webhooks
-- gives: carry_webhooks
select rowid, id, job_id, url, trace, state, told, body, why, attempts, round, status, created_at, due_at, done_at, ended_at
from webhook where rowid > ?1 order by rowid limit ?2

-- statement: carry_off_webhooks
delete from webhook where rowid <= ?1 and state in ('waiting', 'owed')

-- statement: carry_out_audits
-- gives: carry_audits
select id, at, batch, operation, action, who, reason, scope, entries from dead_letter_audit where id > ?1 order by id limit ?2

-- The last column: the batches of what was done to it, a list.
-- statement: carry_out_dead
-- gives: carry_dead
select d.entry, died_at, kept_at, settled_at, attempts, rounds, automatic, key, same, state, task_id, root_id, name, queue,
        error_source, error_code, error_message, group_id, cause, trace_id, user_id, worker, next_task, verdict, properties, body, c.edited,
        (select json_group_array(lower(hex(batch))) from dead_letter_act t join dead_letter_audit a on a.id = t.audit where t.entry = d.entry)
from dead_letter d join dead_letter_content c on c.entry = d.entry
where d.entry > ?1 order by d.entry limit ?2

-- statement: carry_out_untold
-- gives: carry_untold
select id, key, created_at, task_id, queue, properties, body, telling from owed_result where id > ?1 order by id limit ?2

-- statement: carry_out_scheduled
-- gives: carry_scheduled
select id, key, due_at, created_at, exchange, routing_key, reason, task_id, root_id, properties, body
from scheduled where id > ?1 order by id limit ?2

-- statement: carry_off_dead
delete from dead_letter where entry <= ?1 and state = 'kept'

-- statement: carry_off_untold
delete from owed_result where id <= ?1

-- statement: carry_off_scheduled
delete from scheduled where id <= ?1
