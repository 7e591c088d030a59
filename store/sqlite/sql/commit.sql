-- SPDX-License-Identifier: Apache-2.0

-- statement: commit_look
select case t.state when 'SUCCESS' then 1 when 'REVOKED' then 2 else 0 end, case when t.state = 'SUCCESS' then t.result end,
        ?2 is null or json_valid(?2), coalesce(t.replaced > ?3, 0)
from (select 1) left join task t on t.id = ?1

-- statement: commit_task
insert into task (id, root_id, name, state, starts, result, provider, model, tokens_in, tokens_out, cost_nano,
        elapsed_ms, created_at, started_at, finished_at, replaced, sends, chord_part)
values (?1, ?2, ?3, case when ?4 is null then 'PENDING' else 'SUCCESS' end, case when ?4 is null then 0 else 1 end,
        ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, case when ?4 is null then null else ?11 end, ?12, ?13, ?14)
on conflict (id) do update set state = excluded.state, result = excluded.result, error = null,
        starts = case when ?4 is null then 0 else starts end, attempts = case when ?4 is null then 0 else attempts end,
        replaced = excluded.replaced, sends = excluded.sends, chord_part = ?14,
        provider = excluded.provider, model = excluded.model, tokens_in = tokens_in + excluded.tokens_in,
        tokens_out = tokens_out + excluded.tokens_out, cost_nano = cost_nano + excluded.cost_nano,
        elapsed_ms = excluded.elapsed_ms, finished_at = excluded.finished_at, lease_owner = null, lease_until = null

-- Its last branch has.
-- part: commit_ends
state in ('PENDING', 'STARTED', 'RETRY') and branches + ?3 <= 0

-- statement: commit_job
insert into job (root_id, pipeline, state, document, created_at, updated_at, chain, last_task, finished_at, branches)
values (?1, ?2, case when ?3 < 0 then 'SUCCESS' else 'STARTED' end, ?4, ?5, ?5, ?6, ?7, case when ?3 < 0 then ?5 end, 1 + ?3)
on conflict (root_id) do update set document = coalesce(?4, document), updated_at = ?5,
        chain = case when ?4 is null then chain else ?6 end, last_task = case when ?4 is null then last_task else ?7 end,
        branches = max(branches + ?3, 0),
        state = case when {{commit_ends}} then 'SUCCESS' else state end,
        error = case when state in ('FAILURE', 'REVOKED') then error end,
        finished_at = case when {{commit_ends}} then ?5 else finished_at end
