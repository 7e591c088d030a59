-- SPDX-License-Identifier: Apache-2.0

-- statement: carry_out_jobs
select json_object('cursor', rowid, 'root_id', root_id, 'pipeline', pipeline, 'state', state,
        'created_at', {{iso(created_at)}}, 'updated_at', {{iso(updated_at)}}, 'finished_at', {{iso(finished_at)}},
        'error', error, 'document', document, 'chain', chain, 'last_task', last_task, 'restarts', restarts,
        'branches', branches)
from job where rowid > ?1 order by rowid limit ?2

-- statement: carry_out_tasks
select json_object('cursor', rowid, 'id', id, 'root_id', root_id, 'parent_id', parent_id, 'name', name,
        'state', state, 'created_at', {{iso(created_at)}}, 'started_at', {{iso(started_at)}}, 'finished_at', {{iso(finished_at)}},
        'starts', starts, 'attempts', attempts, 'tokens_in', tokens_in, 'tokens_out', tokens_out,
        'cost_nano', cost_nano, 'elapsed_ms', elapsed_ms, 'provider', provider, 'model', model, 'error', error,
        'result', result, 'replaced', replaced, 'sends', sends,
        'chord_part', chord_part)
from task where rowid > ?1 order by rowid limit ?2

-- statement: carry_out_events
select json_object('cursor', e.rowid, 'id', e.id, 'aggregate_type', e.aggregate_type,
        'aggregate_id', e.aggregate_id, 'version', e.version, 'type', e.type, 'root_id', e.root_id,
        'task_id', e.task_id, 'created_at', {{iso(e.created_at)}}, 'payload', e.payload,
        'unsent', o.id is not null, 'tracingspancontext', o.tracingspancontext)
from (select rowid, * from event where rowid > ?1 order by rowid limit ?2) as e
left join outbox as o on o.id = e.id and o.backfill is null order by e.rowid

-- statement: carry_out_facts
select json_object('cursor', rowid, 'at', {{iso(at)}}, 'once', once, 'kind', kind, 'owner', owner,
        'key', key, 'task_id', task_id, 'value', value)
from fact where rowid > ?1 order by rowid limit ?2

-- statement: carry_out_inbox
select json_object('cursor', rowid, 'at', {{iso(at)}}, 'consumer', consumer, 'event_id', event_id)
from inbox where rowid > ?1 order by rowid limit ?2

-- statement: carry_out_once
select json_object('cursor', rowid, 'key', key, 'fingerprint', fingerprint, 'job_id', job_id, 'token', token,
        'until', {{iso(until)}}, 'created_at', {{iso(created_at)}}, 'done', json(iif(done, 'true', 'false')))
from once where rowid > ?1 order by rowid limit ?2

-- statement: carry_out_keys
select json_object('cursor', rowid, 'id', id, 'name', name, 'digest', digest, 'scopes', scopes, 'rate', rate,
        'created_at', {{iso(created_at)}}, 'revoked_at', {{iso(revoked_at)}})
from api_key where rowid > ?1 order by rowid limit ?2

-- statement: carry_out_webhooks
select json_object('cursor', rowid, 'id', id, 'job_id', job_id, 'url', url, 'trace', trace, 'state', state, 'told', told, 'body', body,
        'why', why, 'attempts', attempts, 'round', round, 'status', status, 'created_at', {{iso(created_at)}},
        'due_at', {{iso(due_at)}}, 'done_at', {{iso(done_at)}}, 'ended_at', {{iso(ended_at)}})
from webhook where rowid > ?1 order by rowid limit ?2

-- statement: carry_off_webhooks
delete from webhook where rowid <= ?1 and state in ('waiting', 'owed')

-- statement: carry_out_audits
select json_object('cursor', id, 'at', {{iso(at)}}, 'batch', lower(hex(batch)), 'operation', operation,
        'action', action, 'who', who, 'reason', reason, 'scope', scope, 'entries', entries)
from dead_letter_audit where id > ?1 order by id limit ?2

-- statement: carry_out_dead
select json_object('cursor', d.entry, 'died_at', {{iso(died_at)}}, 'kept_at', {{iso(kept_at)}}, 'settled_at', {{iso(settled_at)}},
        'attempts', attempts, 'rounds', rounds, 'automatic', automatic, 'key', lower(hex(key)), 'same', lower(hex(same)),
        'state', state, 'task_id', task_id, 'root_id', root_id, 'name', name, 'queue', queue,
        'error_source', error_source, 'error_code', error_code, 'error_message', error_message,
        'group_id', group_id, 'cause', cause, 'trace_id', trace_id, 'user_id', user_id, 'worker', worker,
        'next_task', next_task, 'verdict', verdict, 'properties', hex(properties), 'body', hex(body),
        'edited', case when c.edited is not null then hex(c.edited) end,
        'batches', (select json_group_array(lower(hex(batch))) from dead_letter_act t
                join dead_letter_audit a on a.id = t.audit where t.entry = d.entry))
from dead_letter d join dead_letter_content c on c.entry = d.entry
where d.entry > ?1 order by d.entry limit ?2

-- statement: carry_out_untold
select json_object('cursor', id, 'key', lower(hex(key)), 'created_at', {{iso(created_at)}},
        'task_id', task_id, 'queue', queue, 'properties', hex(properties), 'body', hex(body),
        'telling', hex(telling)) from owed_result where id > ?1 order by id limit ?2

-- statement: carry_out_scheduled
select json_object('cursor', id, 'key', lower(hex(key)), 'due_at', {{iso(due_at)}}, 'created_at', {{iso(created_at)}},
        'exchange', exchange, 'routing_key', routing_key, 'reason', reason, 'task_id', task_id, 'root_id', root_id,
        'properties', hex(properties), 'body', hex(body))
from scheduled where id > ?1 order by id limit ?2

-- statement: carry_off_dead
delete from dead_letter where entry <= ?1 and state = 'kept'

-- statement: carry_off_untold
delete from owed_result where id <= ?1

-- statement: carry_off_scheduled
delete from scheduled where id <= ?1
