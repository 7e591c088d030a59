-- SPDX-License-Identifier: Apache-2.0
-- Who is told when a job has ended.

-- statement: webhook_add
insert into chard.webhook (id, job_id, url, trace)
select id, job_id, url, nullif(trace, '') from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as w (id, job_id, url, trace)
on conflict (job_id, url) do nothing

-- part: webhook_message(of)
'msg_' || replace({{of}}.id, '-', '') || case when {{of}}.round > 0 then '_' || {{of}}.round else '' end

-- $1 = how many, $2 = for how long, in milliseconds. `offset 0`: each job is looked up by its id, however many wait; all jobs are never read. Of two who take at a time
-- the second finds the row changed, and leaves it.
-- statement: webhook_take
-- gives: webhook_tries
with due as (
        (select w.id, false as ended from chard.webhook w
         where w.state = 'owed' and w.due_at <= now() order by w.due_at limit $1::text::integer)
        union all
        (select w.id, true from chard.webhook w, lateral (select state, finished_at from chard.job o where o.root_id = w.job_id offset 0) j
         where (w.state = 'waiting' or w.told = 'FAILURE') and w.state <> 'owed'
           and j.state in ('SUCCESS', 'FAILURE', 'REVOKED') and j.finished_at > coalesce(w.ended_at, '-infinity')
         limit $1::text::integer)
        limit $1::text::integer),
found as (
        select d.id, d.ended, j.state, j.finished_at, case when d.ended then json_build_object(
                'type', case j.state when 'SUCCESS' then 'job.succeeded' when 'FAILURE' then 'job.failed' else 'job.cancelled' end,
                'timestamp', to_char(j.finished_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                'data', json_build_object('id', j.root_id, 'pipeline', j.pipeline, 'state', j.state, 'document', j.document, 'error', j.error))::text end as body
        from due d join chard.webhook w on w.id = d.id left join chard.job j on j.root_id = w.job_id),
taken as (
        update chard.webhook w set state = 'owed', due_at = now() + $2::text::integer * interval '1 ms', done_at = null,
                attempts = case when f.ended then 1 else w.attempts + 1 end,
                round = w.round + (f.ended and w.told is not null)::integer,
                told = case when f.ended then f.state else w.told end,
                ended_at = case when f.ended then f.finished_at else w.ended_at end,
                body = case when f.ended then f.body else w.body end
        from found f where w.id = f.id and case when f.ended then w.ended_at is distinct from f.finished_at else w.due_at <= now() end
        returning w.*)
select id, {{webhook_message(t)}}, job_id, url, body, trace, attempts from taken t order by ended_at

-- $2 = its state from now on, $3 = how long to wait, in milliseconds, $4 = the HTTP status, $5 = why it was not delivered.
-- statement: webhook_settle
-- gives: id
update chard.webhook set state = $2, status = $4::text::integer, why = $5,
        due_at = case when $2 = 'owed' then now() + $3::text::bigint * interval '1 ms' end,
        done_at = case when $2 <> 'owed' then now() end
where id = $1 and state = 'owed' returning id

-- part: webhook_is(which)
({{which}} = w.id or {{which}} = w.job_id or {{which}} = w.state)

-- statement: webhook_list
-- gives: webhooks
select id, {{webhook_message(w)}}, job_id, url, state, attempts, status, why, created_at, due_at, done_at
from chard.webhook w where $1 = '' or {{webhook_is($1)}} order by created_at desc, id limit 1000

-- statement: webhook_resend
-- gives: webhooks_again
with again as (
        update chard.webhook w set state = 'owed', due_at = now(), done_at = null, attempts = 0
        where w.body is not null and {{webhook_is($1)}} returning w.id, w.job_id)
select id, job_id from again order by id

-- statement: webhook_forget
-- gives: count
with gone as (
        delete from chard.webhook where created_at < now() - interval '30 days' and state <> 'owed'
           and coalesce(done_at, created_at) < now() - interval '30 days' returning 1)
select count(*) from gone
