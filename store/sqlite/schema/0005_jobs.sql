-- SPDX-License-Identifier: Apache-2.0
-- Jobs as those see them who did not submit them: listed, found by any id, followed, cancelled; as store/postgres/schema/ has it for PostgreSQL.

alter table job add column user_id text generated always as (document ->> '$.job.user_id') virtual;

create index job_created on job (created_at, root_id);
create index job_of_user on job (user_id, created_at, root_id) where user_id is not null;
create index job_unlucky on job (created_at, root_id) where state in ('FAILURE', 'REVOKED');

-- What happened to a job that somebody follows, numbered from 1 without a gap, when a follower first sees it.
create table job_step (
        root_id  text not null,
        position integer not null,
        at       integer not null,
        key      text not null, -- what it is: the same thing is numbered once
        kind     text not null, -- task, event, job
        task_id  text,
        name     text not null,
        state    text not null default '',
        attempt  integer not null default 0,
        payload  text,
        primary key (root_id, position),
        unique (root_id, key)
) strict, without rowid;
