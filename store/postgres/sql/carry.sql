-- SPDX-License-Identifier: Apache-2.0

-- part: carry_counted
select count(*) from made

-- statement: carry_jobs
-- gives: count
with made as (insert into chard.job as t (root_id, pipeline, state, created_at, updated_at, finished_at, error, document,
                chain, last_task, restarts, branches, user_id)
        select root_id, pipeline, state, created_at, updated_at, finished_at, error::jsonb, document::jsonb,
                chain::json, last_task, coalesce(restarts, 0), coalesce(branches, 1), document::jsonb #>> '{job,user_id}'
        from json_to_recordset($1::text::json) as r (root_id text, pipeline text, state text, created_at timestamptz,
                updated_at timestamptz, finished_at timestamptz, error text, document text, chain text, last_task text, restarts integer,
                branches integer)
        on conflict (root_id) do update set pipeline = excluded.pipeline, state = excluded.state,
                updated_at = excluded.updated_at, finished_at = excluded.finished_at, error = excluded.error,
                document = excluded.document, user_id = excluded.user_id, chain = excluded.chain, last_task = excluded.last_task, restarts = excluded.restarts,
                branches = excluded.branches
        where excluded.updated_at > t.updated_at returning 1) {{carry_counted}}

-- Nobody works on it any more: its lease is not carried.
-- statement: carry_tasks
-- gives: count
with made as (insert into chard.task as t (id, root_id, parent_id, name, state, created_at, started_at, finished_at, starts,
                attempts, tokens_in, tokens_out, cost_nano, elapsed_ms, provider, model, error, result, replaced, sends, chord_part)
        select id, root_id, parent_id, name, state, created_at, started_at, finished_at, starts,
                attempts, tokens_in, tokens_out, cost_nano, elapsed_ms, provider, model, error::jsonb, result::json,
                coalesce(replaced, 0), sends::json, chord_part
        from json_to_recordset($1::text::json) as r (id text, root_id text, parent_id text, name text, state text,
                created_at timestamptz, started_at timestamptz, finished_at timestamptz, starts integer, attempts integer,
                tokens_in integer, tokens_out integer, cost_nano bigint, elapsed_ms integer, provider text, model text, error text, result text,
                replaced integer, sends text, chord_part text)
        on conflict (id) do update set state = excluded.state, started_at = excluded.started_at,
                finished_at = excluded.finished_at, starts = excluded.starts, attempts = excluded.attempts,
                tokens_in = excluded.tokens_in, tokens_out = excluded.tokens_out, cost_nano = excluded.cost_nano,
                elapsed_ms = excluded.elapsed_ms, provider = excluded.provider, model = excluded.model,
                error = excluded.error, result = excluded.result, replaced = excluded.replaced, sends = excluded.sends,
                chord_part = excluded.chord_part
        where t.state <> 'SUCCESS' and greatest(excluded.created_at, excluded.started_at, excluded.finished_at)
                > greatest(t.created_at, t.started_at, t.finished_at) returning 1) {{carry_counted}}

-- An outbox row goes in with its event or not at all: that is what keeps a repetition from sending it twice. Another file may have brought events of
-- the same aggregate: then these come after them.
-- statement: carry_events
-- gives: count
with r as materialized (
        select * from json_to_recordset($1::text::json) as r (cursor bigint, id uuid, aggregate_type text, aggregate_id text,
                version integer, type text, root_id text, task_id text, created_at timestamptz, payload text, unsent integer,
                tracingspancontext text)),
fresh as materialized (
        select r.*, row_number() over (partition by aggregate_id, aggregate_type order by version)
                + (select coalesce(max(e.version), 0) from chard.event e
                                        where e.aggregate_id = r.aggregate_id and e.aggregate_type = r.aggregate_type) as place
        from r where not exists (select from chard.event e
                where e.aggregate_id = r.aggregate_id and e.aggregate_type = r.aggregate_type and e.id = r.id)),
made as (insert into chard.event (id, aggregate_type, aggregate_id, version, type, root_id, task_id, created_at, payload)
        select id, aggregate_type, aggregate_id, place, type, root_id, task_id, created_at, payload::jsonb from fresh
        returning id),
sent as (insert into chard.outbox (id, aggregatetype, aggregateid, type, payload, tracingspancontext)
        select id, aggregate_type, aggregate_id, type, payload::jsonb, tracingspancontext from fresh
        where unsent = 1 order by cursor) {{carry_counted}}

-- What was written once stays as it is here.
-- statement: carry_facts
-- gives: count
with made as (insert into chard.fact as t (at, once, kind, owner, key, task_id, value)
        select at, once <> 0, kind, owner, key, task_id, value::jsonb
        from json_to_recordset($1::text::json) as r (at timestamptz, once integer, kind text, owner text, key text, task_id text, value text)
        on conflict (kind, owner, key) do update set at = excluded.at, task_id = excluded.task_id, value = excluded.value
        where not t.once and excluded.at > t.at returning 1) {{carry_counted}}

-- statement: carry_inbox
-- gives: count
with made as (insert into chard.inbox (at, consumer, event_id) select at, consumer, event_id
        from json_to_recordset($1::text::json) as r (at timestamptz, consumer text, event_id text)
        on conflict do nothing returning 1) {{carry_counted}}

-- statement: carry_once
-- gives: count
with made as (insert into chard.once as o (key, fingerprint, job_id, token, until, created_at, done)
        select key, fingerprint, job_id, token, until, created_at, done
        from json_to_recordset($1::text::json) as r (key text, fingerprint text, job_id text, token text, until timestamptz,
                created_at timestamptz, done boolean)
        on conflict (key) do update set done = excluded.done, until = excluded.until, token = excluded.token
                where not o.done and excluded.done and o.job_id = excluded.job_id
        returning 1) {{carry_counted}}

-- statement: carry_keys
-- gives: count
with made as (insert into chard.api_key as k (id, name, digest, scopes, rate, created_at, revoked_at)
        select id, name, digest, scopes, rate, created_at, revoked_at
        from json_to_recordset($1::text::json) as r (id text, name text, digest text, scopes text, rate integer,
                created_at timestamptz, revoked_at timestamptz)
        on conflict (id) do update set revoked_at = excluded.revoked_at where k.revoked_at is null and excluded.revoked_at is not null
        returning 1) {{carry_counted}}

-- statement: carry_webhooks
-- gives: count
with made as (insert into chard.webhook (id, job_id, url, trace, state, told, body, why, attempts, round, status, created_at, due_at, done_at, ended_at)
        select id, job_id, url, trace, state, told, body, why, attempts, round, status, created_at, due_at, done_at, ended_at
        from json_to_recordset($1::text::json) as r (id text, job_id text, url text, trace text, state text, told text, body text, why text,
                attempts integer, round integer, status integer, created_at timestamptz, due_at timestamptz, done_at timestamptz,
                ended_at timestamptz)
        on conflict do nothing returning 1) {{carry_counted}}

-- statement: carry_audits
-- gives: count
with made as (insert into chard.dead_letter_audit (at, batch, operation, action, who, reason, scope, entries)
        select at, batch, operation, action, who, reason, scope, entries
        from json_to_recordset($1::text::json) as r (at timestamptz, batch uuid, operation text, action text, who text,
                reason text, scope text, entries integer)
        on conflict do nothing returning 1) {{carry_counted}}

-- Entries get new numbers; what was done to them is found by its batch.
-- statement: carry_dead
-- gives: count
with made as (insert into chard.dead_letter (died_at, kept_at, settled_at, attempts, rounds, automatic, key, same, state,
                task_id, root_id, name, queue, error_source, error_code, error_message, group_id, cause, trace_id, user_id, worker,
                next_task, verdict, acts, properties, body, edited)
        select died_at, kept_at, settled_at, attempts, rounds, automatic <> 0, key, same, state,
                task_id, root_id, name, queue, error_source, error_code, error_message, group_id, cause, trace_id, user_id, worker,
                next_task, coalesce(verdict, ''), array(select a.id from chard.dead_letter_audit a where a.batch in
                        (select b::uuid from json_array_elements_text(r.batches) as b) order by a.id),
                decode(properties, 'hex'), decode(body, 'hex'), decode(edited, 'hex')
        from json_to_recordset($1::text::json) as r (cursor bigint, died_at timestamptz, kept_at timestamptz, settled_at timestamptz,
                attempts integer, rounds integer, automatic integer, key uuid, same uuid, state text, task_id text, root_id text,
                name text, queue text, error_source text, error_code text, error_message text, group_id text, cause text, trace_id text,
                user_id text, worker text, next_task text, verdict text, batches json, properties text, body text, edited text)
        order by cursor on conflict do nothing returning 1) {{carry_counted}}

-- statement: carry_scheduled
-- gives: count
with made as (insert into chard.scheduled (key, due_at, created_at, exchange, routing_key, reason, task_id, properties, body, root_id)
        select key, due_at, created_at, exchange, routing_key, reason, task_id, decode(properties, 'hex'), decode(body, 'hex'), root_id
        from json_to_recordset($1::text::json) as r (key uuid, due_at timestamptz, created_at timestamptz, exchange text,
                routing_key text, reason text, task_id text, properties text, body text, root_id text)
        on conflict do nothing returning 1) {{carry_counted}}

-- statement: carry_untold
-- gives: count
with made as (insert into chard.owed_result (key, created_at, task_id, queue, properties, body, telling)
        select key, created_at, task_id, queue, decode(properties, 'hex'), decode(body, 'hex'), decode(telling, 'hex')
        from json_to_recordset($1::text::json) as r (cursor bigint, key uuid, created_at timestamptz, task_id text, queue text,
                properties text, body text, telling text)
        order by cursor on conflict do nothing returning 1) {{carry_counted}}
