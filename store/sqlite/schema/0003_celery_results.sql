-- SPDX-License-Identifier: Apache-2.0
-- Results for those who read them in SQL: the columns that Celery's database backend has in celery_taskmeta, with JSON text where that has
-- bytes. Read-only; made of the tasks, so a stateless task is not in it. date_done is written as SQLAlchemy writes a time (UTC).

create view celery_taskmeta as
select t.rowid as id,
       t.id as task_id,
       t.state as status,
       case
       when t.state = 'SUCCESS' then t.result
       when t.error is not null then json_object('exc_type', 'RuntimeError', 'exc_message', json_array(t.error ->> 'text'),
                                                 'exc_module', 'builtins')
       end as result,
       strftime('%Y-%m-%d %H:%M:%S', t.finished_at / 1000000, 'unixepoch') || printf('.%06d', t.finished_at % 1000000) as date_done,
       case when t.state in ('FAILURE', 'RETRY', 'REVOKED')
            then coalesce(t.error ->> 'source' || ': ', '') || coalesce(t.error ->> 'code' || ': ', '') || coalesce(t.error ->> 'text', '')
       end as traceback,
       t.name,
       null as args,
       null as kwargs,
       t.lease_owner as worker,
       t.attempts as retries,
       null as queue
  from task t;
