-- SPDX-License-Identifier: Apache-2.0
-- Who is told when a job has ended.

-- ?5 = now.
-- statement: webhook_add
insert into webhook (id, job_id, url, trace, created_at) values (?1, ?2, ?3, nullif(?4, ''), ?5) on conflict do nothing

-- part: webhook_message
'msg_' || replace(id, '-', '') || iif(round > 0, '_' || round, '')

-- Those whose jobs have ended are owed. ?1 = now, ?2 = how many.
-- statement: webhook_owe
update webhook set state = 'owed', due_at = ?1, done_at = null, attempts = 0, round = round + (told is not null),
        told = j.state, ended_at = j.finished_at,
        body = json_object('type', case j.state when 'SUCCESS' then 'job.succeeded' when 'FAILURE' then 'job.failed' else 'job.cancelled' end,
                'timestamp', {{iso(j.finished_at)}},
                'data', json_object('id', j.root_id, 'pipeline', j.pipeline, 'state', j.state, 'document', json(j.document), 'error', json(j.error)))
from job j
where j.root_id = webhook.job_id and webhook.id in (
        select w.id from webhook w join job e on e.root_id = w.job_id
        where (w.state = 'waiting' or w.told = 'FAILURE') and w.state <> 'owed'
          and e.state in ('SUCCESS', 'FAILURE', 'REVOKED') and e.finished_at > coalesce(w.ended_at, 0) limit ?2)

-- ?1 = now, ?2 = how many, ?3 = for how long.
-- statement: webhook_take
-- gives: webhook_tries
update webhook set due_at = ?1 + ?3, attempts = attempts + 1
where id in (select id from webhook where state = 'owed' and due_at <= ?1 order by due_at limit ?2)
returning id, {{webhook_message}}, job_id, url, body, trace, attempts

-- ?2 = its state from now on, ?3 = when it is due, ?4 = the HTTP status, ?5 = why it was not delivered, ?6 = now.
-- statement: webhook_settle
-- gives: id
update webhook set state = ?2, status = ?4, why = ?5, due_at = iif(?2 = 'owed', ?3, null), done_at = iif(?2 = 'owed', null, ?6)
where id = ?1 and state = 'owed' returning id

-- statement: webhook_list
-- gives: webhooks
select id, {{webhook_message}}, job_id, url, state, attempts, status, why, created_at, due_at, done_at
from webhook where ?1 = '' or id = ?1 or job_id = ?1 or state = ?1 order by created_at desc, id limit 1000

-- statement: webhook_resend
-- gives: webhooks_again
update webhook set state = 'owed', due_at = ?2, done_at = null, attempts = 0
where body is not null and (id = ?1 or job_id = ?1 or state = ?1) returning id, job_id

-- ?1 = before then it is forgotten.
-- statement: webhook_forget
delete from webhook where created_at < ?1 and state <> 'owed' and coalesce(done_at, created_at) < ?1
