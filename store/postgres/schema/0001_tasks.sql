-- SPDX-License-Identifier: Apache-2.0
-- Tasks, the jobs that they make up, and the workers that run them.

-- One row a task; the id is the message's task id. It is inserted when the task is claimed and updated once when it
-- ends, so half of each page is left free: the second version then fits beside the first (a HOT update), and no index
-- is touched again. For the same reason nothing that changes is indexed, leases least of all.
create table chard.task (
        created_at  timestamptz not null default now(),
        started_at  timestamptz,
        finished_at timestamptz,
        lease_until timestamptz,
        cost_nano   bigint not null default 0,
        starts      integer not null default 0,
        attempts    integer not null default 0,
        replaced    integer not null default 0,
        tokens_in   integer not null default 0,
        tokens_out  integer not null default 0,
        elapsed_ms  integer,
        id          text collate "C" primary key,
        root_id     text collate "C" not null,
        parent_id   text,
        name        text collate "C" not null default '',
        state       text not null default 'PENDING'
                    check (state in ('STARTED', 'SUCCESS', 'PENDING', 'RETRY', 'FAILURE', 'REVOKED')),
        lease_owner text,
        provider    text,
        model       text,
        error       jsonb,
        result      json,
        sends       json
) with (
        fillfactor = 50,
        autovacuum_vacuum_scale_factor = 0.02,
        autovacuum_vacuum_insert_scale_factor = 0.05,
        autovacuum_analyze_scale_factor = 0.02
);

comment on column chard.task.starts is 'how often it was claimed, but for attempts that were handed back';
comment on column chard.task.attempts is 'failed attempts';
comment on column chard.task.replaced is 'how often it was replaced by a canvas, which goes on under its id';
comment on column chard.task.sends is 'the canvases that it sends beside its result, or in its place: they are sent again after a crash';
comment on column chard.task.cost_nano is 'billionths of a dollar, all attempts together';
comment on column chard.task.result is 'as the task wrote it, byte for byte: what follows is made from it again';
comment on column chard.task.lease_until is 'until then no other worker starts it';

-- A job's only or first task has the job's id: those need no second index entry.
create index task_of_job on chard.task (root_id) where root_id <> id;

create table chard.job (
        created_at  timestamptz not null default now(),
        updated_at  timestamptz not null default now(),
        finished_at timestamptz,
        root_id     text collate "C" primary key,
        pipeline    text not null default '',
        state       text not null default 'STARTED'
                    check (state in ('STARTED', 'SUCCESS', 'PENDING', 'RETRY', 'FAILURE', 'REVOKED')),
        error       jsonb,
        document    jsonb
) with (
        fillfactor = 60,
        autovacuum_vacuum_scale_factor = 0.02,
        autovacuum_analyze_scale_factor = 0.02
);

-- A worker that starts writes its started_at: leases that an earlier process of that name took before are void.
create table chard.worker (
        started_at timestamptz not null default now(),
        beat_at    timestamptz not null default now(),
        name       text collate "C" primary key,
        state      jsonb not null default '{}'
) with (
        fillfactor = 50,
        autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_threshold = 1000
);

-- What one process of a fleet may do at a time, and who has it. The token is that process's own: two of one name are two.
create table chard.lease (
        name   text collate "C" primary key,
        holder text not null,
        token  text not null,
        until  timestamptz not null
) with (fillfactor = 50);

-- Take or renew a lease, by the server's clock: when it is nobody's, over, or has this token. 0 ms gives it back.
create function chard.take_lease(which text, asks text, its_token text, lease_ms integer)
returns table (holder text, mine boolean, wait_ms bigint) language sql
set search_path = pg_catalog, pg_temp
as $$
        insert into chard.lease as l (name, holder, token, until)
        values (which, asks, its_token, clock_timestamp() + lease_ms * interval '1 ms')
        on conflict (name) do update set holder = excluded.holder, token = excluded.token, until = excluded.until
                where l.token = excluded.token or l.until <= clock_timestamp();
        select case when l.until > clock_timestamp() then l.holder else '' end, l.token = its_token,
               greatest(0, ceil(extract(epoch from l.until - clock_timestamp()) * 1000))::int8
        from chard.lease l where l.name = which
$$;
