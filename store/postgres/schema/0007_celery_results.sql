-- SPDX-License-Identifier: Apache-2.0
-- Results for those who read them in SQL: the columns that Celery's database backend has in celery_taskmeta, with JSON where that has
-- pickles. Read-only; made of chard.task, so a stateless task is not in it.

create view chard.celery_taskmeta as
select abs(hashtextextended(t.id, 0)) % 2147483647 as id,
       t.id as task_id,
       t.state as status,
       case
       when t.state = 'SUCCESS' then t.result
       when t.error is not null then json_build_object('exc_type', 'RuntimeError', 'exc_message', json_build_array(t.error ->> 'text'),
                                                       'exc_module', 'builtins')
       end as result,
       t.finished_at at time zone 'UTC' as date_done,
       case when t.state in ('FAILURE', 'RETRY', 'REVOKED') then concat_ws(': ', t.error ->> 'source', t.error ->> 'code', t.error ->> 'text') end
           as traceback,
       t.name,
       null::json as args,
       null::json as kwargs,
       t.lease_owner as worker,
       t.attempts as retries,
       null::text as queue
  from chard.task t;

comment on view chard.celery_taskmeta is 'the state and result of every task that keeps state, in the columns of Celery''s database backend';
comment on column chard.celery_taskmeta.id is 'a number made of the task''s id; Celery''s own is a serial number';
