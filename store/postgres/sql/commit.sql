-- SPDX-License-Identifier: Apache-2.0

-- part: commit_tasks
unnest($1::text[], $2::text[], $3::text[], $4::int8[], $5::text[], $6::json[], $7::text[], $8::text[],
$9::int4[], $10::int4[], $11::int8[], $12::int4[], $13::json[], $14::int4[], $15::json[], $16::text[])

-- part: commit_task_columns
id, root_id, name, job, pipeline, result, provider, model, tokens_in, tokens_out, cost, elapsed, chain, replaced, sends, part

-- part: commit_insert
insert into chard.task as t (id, root_id, name, state, starts, result, provider, model, tokens_in, tokens_out,
        cost_nano, elapsed_ms, started_at, finished_at, replaced, sends, chord_part)
select id, root_id, name, case when result is null then 'PENDING' else 'SUCCESS' end,
        case when result is null then 0 else 1 end, result, provider, model, tokens_in, tokens_out, cost, elapsed,
        now(), case when result is null then null else now() end, replaced, sends, part

-- part: commit_on_conflict
on conflict (id) do update set state = excluded.state, result = excluded.result, error = null,
        provider = excluded.provider, model = excluded.model, tokens_in = t.tokens_in + excluded.tokens_in,
        tokens_out = t.tokens_out + excluded.tokens_out, cost_nano = t.cost_nano + excluded.cost_nano,
        elapsed_ms = excluded.elapsed_ms, finished_at = excluded.finished_at, lease_owner = null, lease_until = null,
        starts = case when excluded.result is null then 0 else t.starts end,
        attempts = case when excluded.result is null then 0 else t.attempts end,
        replaced = excluded.replaced, sends = excluded.sends, chord_part = excluded.chord_part
where t.state not in ('SUCCESS', 'REVOKED') and excluded.replaced >= t.replaced + case when excluded.result is null then 1 else 0 end
returning t.id

-- The row is there since its claim: to change it costs less than to insert one that is there. `any` instead of a plain `=` leaves the planner no join but the look-up of one row after the
-- other in the index, whatever it believes about the sizes (and what is looked up are the group's: sessions have enable_seqscan off). So rows are locked, and returned, in the order
-- of the ids, which is that of the group; answer_commits needs it.
-- part: commit_update
update chard.task t set state = case when i.result is null then 'PENDING' else 'SUCCESS' end, result = i.result, error = null,
        provider = i.provider, model = i.model, tokens_in = t.tokens_in + i.tokens_in, tokens_out = t.tokens_out + i.tokens_out,
        cost_nano = t.cost_nano + i.cost, elapsed_ms = i.elapsed, finished_at = case when i.result is not null then now() end,
        lease_owner = null, lease_until = null, starts = case when i.result is null then 0 else t.starts end,
        attempts = case when i.result is null then 0 else t.attempts end, replaced = i.replaced, sends = i.sends, chord_part = i.part

-- part: commit_where
where t.id = any (array[i.id]) and t.state not in ('SUCCESS', 'REVOKED') and i.replaced >= t.replaced + case when i.result is null then 1 else 0 end

-- Its last branch has.
-- part: commit_ends
j.state in ('PENDING', 'STARTED', 'RETRY') and j.branches + excluded.branches <= 1

-- A job's document, its user, and how many of its branches are left. Each job stands once in what is inserted.
-- part: commit_job_insert
insert into chard.job as j (root_id, pipeline, state, document, finished_at, chain, last_task, branches, user_id)
select *, document #>> '{job,user_id}' from

-- part: commit_job_columns(more)
root_id, pipeline, case when {{more}} < 0 then 'SUCCESS' else 'STARTED' end as state, result::text::jsonb as document,
case when {{more}} < 0 then now() end as finished_at, chain, id, 1 + {{more}} as branches

-- part: commit_job_conflict
on conflict (root_id) do update set document = coalesce(excluded.document, j.document), updated_at = now(),
        user_id = coalesce(j.user_id, excluded.user_id),
        chain = case when excluded.document is null then j.chain else excluded.chain end,
        last_task = case when excluded.document is null then j.last_task else excluded.last_task end,
        branches = greatest(j.branches + excluded.branches - 1, 0),
        state = case when {{commit_ends}} then 'SUCCESS' else j.state end,
        error = case when j.state in ('FAILURE', 'REVOKED') then j.error end,
        finished_at = case when {{commit_ends}} then now() else j.finished_at end

-- Its result, or its replacement, is there.
-- part: commit_finished
t.id = g.task_id and (t.state = 'SUCCESS' or t.replaced > g.nesting)

-- Results alone, without jobs, events and facts.
-- statement: commit_results on commits
{{commit_update}}
from {{commit_tasks}} as i ({{commit_task_columns}})
{{commit_where}}
returning t.id

-- Results and jobs, no two of one job, without events and facts.
-- statement: commit_jobs on commits
with i as materialized (
        select * from {{commit_tasks}} as i ({{commit_task_columns}})),
done as (
        {{commit_update}}
        from i
        {{commit_where}}
        returning t.id),
jobs as (
        {{commit_job_insert}} (
                select {{commit_job_columns(job::int4)}}
                from i where job is not null and case when i.id in (select id from done) then true else false end
                order by root_id collate "C") as j
        {{commit_job_conflict}})
select id from done

-- `done` names a part, which writes the tasks' rows and gives the ids of those that it has written.
-- part: commit_whole(done)
with i as materialized (
        select * from {{commit_tasks}} with ordinality as i ({{commit_task_columns}}, n)),
{{stale($17, $18, $19, $20)}},
done as ({{{{done}}}}),
{{append_events($21, $22, $23, $24, $25, $26, $27)}},
jobs as (
        {{commit_job_insert}} (
                select distinct on (root_id collate "C") {{commit_job_columns(more)}}
                from (select i.*, (sum(job) over (partition by root_id collate "C"))::int4 as more from i
                        where job is not null and case when i.id in (select id from done) then true else false end) i
                order by root_id collate "C", result is null, job, n desc) as j
        {{commit_job_conflict}}),
{{merge_facts($28, $29, $30, $31, $32)}}
select id from done

-- part: commit_known
{{commit_update}} from i {{commit_where}} and case when i.id in (select task_id from stale) then false else true end returning t.id

-- part: commit_any
{{commit_insert}} from i where case when i.id in (select task_id from stale) then false else true end {{commit_on_conflict}}

-- statement: commit on commits
{{commit_whole(commit_known)}}

-- Where a claim may be lost, because the server crashed right after it: rows that are not there are inserted.
-- statement: commit_lost on commits
{{commit_whole(commit_any)}}

-- statement: lock on commits
select from chard.task where id = any ($1::text[]) order by id for update

-- statement: once on commits
insert into chard.fact (once, task_id, kind, owner, key, value)
select true, task_id, kind, owner, key, value
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int4[], $6::jsonb[]) with ordinality
        as g (task_id, kind, owner, key, nesting, value, n)
where not exists (select from chard.task t where {{commit_finished}})
order by {{fact_order}}, n on conflict (kind, owner, key) do nothing

-- Takes back what this transaction wrote for a task that it did not finish: who came first with a task that had no row to lock is seen here, though it
-- was not when the facts were written.
-- statement: undo_once on commits
delete from chard.fact
where ctid = any (array(
        select ({{fact_written_here}})
        from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int4[]) as g (task_id, kind, owner, key, nesting)
        where not exists (select from chard.task t where {{commit_finished}} and t.xmin = pg_current_xact_id()::xid)))

-- statement: resolve on commits
select id, state = 'SUCCESS', case when state = 'SUCCESS' then result end from chard.task where id = any ($1::text[]) order by id
