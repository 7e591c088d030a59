-- SPDX-License-Identifier: Apache-2.0
-- Jobs as those see them who did not submit them: listed, found by any id, followed, cancelled.

-- From the document, which has it from its first section on. Whoever writes the document writes it too: a generated column would be worked out at
-- each version of a row, the claim's empty one included.
alter table chard.job add column user_id text;

-- All jobs by age: a row goes into a B-tree anew with each version, and into this not at all. Rows lie in the order in which they were made, or nearly.
create index job_created on chard.job using brin (created_at) with (pages_per_range = 32, autosummarize = on);
create index job_of_user on chard.job (user_id, created_at, root_id) where user_id is not null;
create index job_unlucky on chard.job (created_at, root_id) where state in ('FAILURE', 'REVOKED');

-- ---- following ----

-- What happened to a job that somebody follows, numbered from 1 without a gap. A row is written when a follower first sees it, not by the
-- workers, so jobs that nobody follows cost nothing; what happened while nobody looked is made up for, from the task's rows, in the same order.
create table chard.job_step (
        at       timestamptz not null,
        root_id  text collate "C" not null,
        position bigint not null,
        key      text collate "C" not null, -- what it is: the same thing is numbered once
        kind     text not null,             -- task, event, job
        task_id  text,
        name     text not null,
        state    text not null default '',
        attempt  integer not null default 0,
        payload  jsonb,
        primary key (root_id, position),
        unique (root_id, key)
);

create index job_step_at on chard.job_step using brin (at);

-- All that can be told of a job now. How often a task was started and failed is known, but only its last start has a time: earlier ones follow
-- its creation, a microsecond apart.
create function chard.job_marks(of_job text, events boolean)
returns table (at timestamptz, rank integer, key text, kind text, task_id text, name text, state text, attempt integer, payload jsonb)
language sql stable as $$ -- no settings: it is made part of who calls it, and planned once
        with t as materialized (
                select * from chard.task where id = of_job
                union all
                select * from chard.task where root_id = of_job and root_id <> id)
        select case when k = t.starts then t.started_at else t.created_at + (2 * k - 2) * interval '1 us' end,
               1, t.id || ' start ' || k, 'task', t.id, t.name, 'STARTED', k, null::jsonb
          from t, generate_series(1, least(t.starts, 1000)) as k where t.started_at is not null
        union all
        select case when k = t.attempts and t.state = 'RETRY' then statement_timestamp() else t.created_at + (2 * k - 1) * interval '1 us' end,
               2, t.id || ' retry ' || k, 'task', t.id, t.name, 'RETRY', k,
               case when k = t.attempts and t.state = 'RETRY' then t.error end
          from t, generate_series(1, least(t.attempts - (t.state = 'FAILURE')::int, 1000)) as k
        union all
        select t.finished_at, 3, t.id || ' ' || t.state || ' ' || extract(epoch from t.finished_at), 'task', t.id, t.name, t.state,
               greatest(t.starts, t.attempts), case when t.state = 'FAILURE' then t.error end
          from t where t.state in ('SUCCESS', 'FAILURE', 'REVOKED') and t.finished_at is not null
        union all
        select e.created_at, 4, 'event ' || e.aggregate_type || '/' || e.aggregate_id || '/' || lpad(e.version::text, 10, '0'), 'event', e.task_id, e.type, '', 0, e.payload
          from (select * from chard.event where events and aggregate_id = of_job and root_id = of_job
                union all
                select * from chard.event where events and root_id = of_job and root_id <> aggregate_id) as e
        union all
        select j.finished_at, 5, 'job ' || j.state || ' ' || extract(epoch from j.finished_at), 'job', null, j.pipeline, j.state, 0,
               case when j.state <> 'SUCCESS' then j.error end
          from chard.job j where j.root_id = of_job and j.state in ('SUCCESS', 'FAILURE', 'REVOKED') and j.finished_at is not null
        union all
        select t.finished_at, 5, 'job ' || t.state || ' ' || extract(epoch from t.finished_at), 'job', null, '', t.state, 0,
               case when t.state <> 'SUCCESS' then t.error end
          from t where t.id = of_job and t.state in ('SUCCESS', 'FAILURE', 'REVOKED') and t.finished_at is not null
                   and not exists (select from chard.job where root_id = of_job)
$$;

-- Changes whenever what can be told of a job does: the transactions that wrote its rows, added up. A row's next version has a later one.
create function chard.job_version(of_job text) returns bigint
language sql stable as $$ -- no settings, as above
        select coalesce((select xmin::text::int8 from chard.job where root_id = of_job), 0)
             + coalesce((select xmin::text::int8 from chard.task where id = of_job), 0)
             + coalesce((select sum(xmin::text::int8) from chard.task where root_id = of_job and root_id <> id), 0)::int8
$$;

-- The next steps of each of these jobs after a position, of those alone whose version is not the one that the caller has seen; and, once there
-- are no more, a row that has nothing but the job and its version. So a question about jobs to which nothing happens reads three index entries a job, and writes nothing.
-- Two followers at a time number one after the other; nobody waits for the end of a transaction that has nothing to do with the job.
-- Events come with a task's end, so without one they need not be looked for.
create function chard.follow_jobs(jobs text[], afters bigint[], versions bigint[], most integer)
returns table (job text, at_position bigint, kind text, task_id text, name text, state text, attempt integer, at timestamptz, payload jsonb, version bigint)
language plpgsql volatile
set search_path = pg_catalog, pg_temp as $$
declare
        f    record;
        told bigint;
begin
        for f in select w.job, w.after, v.version from unnest(jobs, afters, versions) as w (job, after, seen),
                        lateral (select chard.job_version(w.job) as version offset 0) as v
                  where v.version <> w.seen order by 1 loop
                perform from chard.job_marks(f.job, false) as m
                  where not exists (select from chard.job_step s where s.root_id = f.job and s.key = m.key);
                if found then
                        -- What was told must not be numbered otherwise after a crash.
                        perform set_config('synchronous_commit', 'on', true);
                        perform pg_advisory_xact_lock(hashtextextended('chard.job_step ' || f.job, 0));
                        insert into chard.job_step (at, root_id, position, key, kind, task_id, name, state, attempt, payload)
                        select m.at, f.job,
                               coalesce((select max(s.position) from chard.job_step s where s.root_id = f.job), 0)
                               + row_number() over (order by m.at, m.rank, m.key),
                               m.key, m.kind, m.task_id, m.name, m.state, m.attempt, m.payload
                          from chard.job_marks(f.job, true) m
                         where not exists (select from chard.job_step s where s.root_id = f.job and s.key = m.key);
                end if;
                return query
                        select s.root_id, s.position, s.kind, s.task_id, s.name, s.state, s.attempt, s.at, s.payload, null::bigint
                          from chard.job_step s where s.root_id = f.job and s.position > f.after
                         order by s.position limit most;
                get diagnostics told = row_count;
                if told < most then
                        return query select f.job, null::bigint, null::text, null::text, null::text, null::text, null::integer, null::timestamptz, null::jsonb,
                                f.version;
                end if;
        end loop;
end
$$;

-- Forget the steps of jobs that came to their end before a time, of a bounded number of jobs. Returns how many steps. Who comes back later still finds them numbered anew, from what the tasks' rows say.
create function chard.forget_steps(before timestamptz) returns bigint language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp as $$
declare
        forgotten bigint;
begin
        delete from chard.job_step where root_id in (
                select s.root_id from chard.job_step s where s.at < before and s.kind = 'job'
                   and not exists (select from chard.job_step n where n.root_id = s.root_id and n.at >= before) limit 20000);
        get diagnostics forgotten = row_count;
        return forgotten;
end
$$;

-- ---- cancelling ----

-- Whatever of the job has not ended never will: tasks that wait are revoked, those of its chain that nobody has begun too; one that runs finds that out
-- when it wants to commit, and leaves nothing behind; one that nobody knows of yet, a group's branch on its way, finds it at its claim, by the code in the job's
-- error. A job that has ended stays as it is. Returns the job's state now, how many tasks were revoked, and their ids, as JSON.
create function chard.cancel_job(of_job text, out state text, out revoked integer, out tasks json) language plpgsql volatile
set search_path = pg_catalog, pg_temp as $$
declare
        steps jsonb;
begin
        select j.state, j.chain::jsonb into state, steps from chard.job j where j.root_id = of_job for update;
        if not found then
                select t.state into state from chard.task t where t.id = of_job;
        end if;
        revoked := 0;
        tasks := '[]';
        if state in ('SUCCESS', 'FAILURE', 'REVOKED') then
                return;
        end if;
        with waiting as (
                select t.id, t.name from chard.task t where t.id = of_job or (t.root_id = of_job and t.root_id <> t.id)
                union all
                select of_job, ''
                union all
                select s -> 'options' ->> 'task_id', s ->> 'task'
                  from jsonb_path_query(coalesce(steps, '[]'), 'strict $.** ? (@.options.task_id != null)') as s),
        done as (
                insert into chard.task as t (id, root_id, name, state, finished_at)
                select id, of_job, max(coalesce(name, '')), 'REVOKED', now() from waiting where id <> '' group by id order by id collate "C"
                on conflict (id) do update set state = 'REVOKED', finished_at = now(), lease_owner = null, lease_until = null
                where t.state in ('PENDING', 'STARTED', 'RETRY') and t.root_id = excluded.root_id
                returning t.id)
        select count(*), coalesce(json_agg(id order by id), '[]') into revoked, tasks from done;
        insert into chard.job as j (root_id, state, finished_at, error)
        values (of_job, 'REVOKED', now(), '{"source": "job", "code": "cancelled", "message": "the job was cancelled"}')
        on conflict (root_id) do update set state = 'REVOKED', finished_at = now(), updated_at = now(), error = excluded.error;
        state := 'REVOKED';
end
$$;

revoke all on function chard.job_marks(text, boolean), chard.job_version(text),
        chard.follow_jobs(text[], bigint[], bigint[], integer), chard.forget_steps(timestamptz),
        chard.cancel_job(text) from public;
