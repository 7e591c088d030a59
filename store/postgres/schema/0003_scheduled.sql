-- SPDX-License-Identifier: Apache-2.0
-- Messages that are published later, or surely.

-- `key` is made by whoever inserts, so that an insert repeated after an unknown outcome is the same row.
-- Rows come and go quickly and are read in due order: dead ones must be vacuumed before they pile up in that index.
create table chard.scheduled (
        id          bigint generated always as identity primary key,
        due_at      timestamptz not null check (isfinite(due_at)),
        created_at  timestamptz not null default now(),
        key         uuid not null default gen_random_uuid() unique,
        exchange    text not null,
        routing_key text not null,
        reason      text not null,
        task_id     text collate "C",
        properties  bytea not null,
        body        bytea not null,
        returns     integer not null default 0
) with (
        autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_insert_scale_factor = 0,
        autovacuum_vacuum_insert_threshold = 50000,
        autovacuum_vacuum_cost_delay = 0
);

comment on column chard.scheduled.properties is
        'AMQP 0-9-1 basic properties as on the wire: property flags, then the present properties, header table included';

comment on column chard.scheduled.returns is 'how often it was published and no queue took it';

create index scheduled_due on chard.scheduled (due_at);

-- What is still to be told of tasks that have ended, while the result backend is away: the message that the task came in, and what to say.
create table chard.owed_result (
        id         bigint generated always as identity primary key,
        created_at timestamptz not null default now(),
        due_at     timestamptz not null default now(),
        key        uuid not null default gen_random_uuid() unique,
        queue      text not null,
        task_id    text collate "C",
        properties bytea not null,
        body       bytea not null,
        telling    bytea not null
) with (
        autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_threshold = 5000
);

comment on column chard.owed_result.due_at is 'in the future while a worker is telling it';

-- Transactional enqueue: an application that shares this database calls chard.enqueue(…) in its own transaction, and
-- the task exists exactly if that transaction commits. What follows writes Celery's message protocol, version 2, as
-- AMQP 0-9-1 properties (4.2.5.5 field tables, 4.2.6.1 content header), with the field kinds S I t V A F only.
--
-- A role needs for it no more than:
--     grant usage on schema chard to APP;
--     grant execute on function chard.enqueue, chard.enqueue_chain, chard.enqueue_signatures to APP;

-- A short string: one byte of length.
create function chard.amqp_short(value text) returns bytea language sql stable as $$
        select set_byte('\x00', 0, octet_length(convert_to(value, 'UTF8'))) || convert_to(value, 'UTF8')
$$;

-- One field of a table: its name, its kind, and the value as it is encoded already.
create function chard.amqp_field(name text, kind text, value bytea) returns bytea language sql stable as $$
        select chard.amqp_short(name) || convert_to(kind, 'UTF8') || value
$$;

create function chard.amqp_null(name text) returns bytea language sql stable as $$
        select chard.amqp_field(name, 'V', '')
$$;

create function chard.amqp_number(name text, value integer) returns bytea language sql stable as $$
        select chard.amqp_field(name, 'I', int4send(value))
$$;

create function chard.amqp_bool(name text, value boolean) returns bytea language sql stable as $$
        select chard.amqp_field(name, 't', case when value then '\x01' else '\x00' end::bytea)
$$;

create function chard.amqp_text(name text, value text) returns bytea language sql stable as $$
        select case when value is null then chard.amqp_null(name)
               else chard.amqp_field(name, 'S', int4send(octet_length(convert_to(value, 'UTF8'))) || convert_to(value, 'UTF8')) end
$$;

-- Those of its trace that there are.
create function chard.trace_headers(traceparent text, tracestate text, baggage text) returns bytea language sql stable as $$
        select coalesce(string_agg(chard.amqp_text(t.name, t.value), ''::bytea order by t.n), '')
        from (values (1, 'traceparent', traceparent), (2, 'tracestate', tracestate), (3, 'baggage', baggage)) as t (n, name, value)
        where t.value is not null
$$;

-- The header table of a task, without its length.
create function chard.task_headers(name text, id text, args jsonb, kwargs jsonb, expires timestamptz, traceparent text, tracestate text, baggage text)
returns bytea language sql stable as $$
        select chard.amqp_text('lang', 'py') || chard.amqp_text('task', name) || chard.amqp_text('id', id)
            || chard.amqp_null('shadow') || chard.amqp_null('eta')
            || chard.amqp_text('expires', to_char(expires at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'))
            || chard.amqp_null('group') || chard.amqp_null('group_index') || chard.amqp_number('retries', 0)
            || chard.amqp_field('timelimit', 'A', int4send(2) || convert_to('VV', 'UTF8'))
            || chard.amqp_text('root_id', id) || chard.amqp_null('parent_id')
            || chard.amqp_text('argsrepr', left(args::text, 1024)) || chard.amqp_text('kwargsrepr', left(kwargs::text, 1024))
            || chard.amqp_text('origin', 'sql@' || current_database()) || chard.amqp_bool('ignore_result', false)
            || chard.amqp_number('replaced_task_nesting', 0) || chard.amqp_null('stamped_headers')
            || chard.amqp_field('stamps', 'F', int4send(0))
            || chard.trace_headers(traceparent, tracestate, baggage)
$$;

-- All properties: content-type, content-encoding, headers, delivery-mode 2 (persistent), correlation-id.
create function chard.task_properties(headers bytea, id text) returns bytea language sql stable as $$
        select '\xf400'::bytea || chard.amqp_short('application/json') || chard.amqp_short('utf-8')
            || int4send(octet_length(headers)) || headers || '\x02'::bytea || chard.amqp_short(id)
$$;

create type chard.signature as (task text, task_id text, queue text, args jsonb, kwargs jsonb, immutable boolean);

-- Signatures as they are meant by enqueue_signatures, checked: ids and queues filled in, one row each.
create function chard.task_signatures(signatures jsonb, id text)
returns table (n bigint, task text, task_id text, queue text, args jsonb, kwargs jsonb, immutable boolean)
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
        if jsonb_typeof(signatures) is distinct from 'array' or jsonb_array_length(signatures) = 0 then
                raise exception 'signatures must be an array of at least one task' using errcode = 'invalid_parameter_value';
        end if;
        return query
                select s.ordinality, s.value ->> 'task',
                       coalesce(case when s.ordinality = 1 then task_signatures.id end, s.value ->> 'id', gen_random_uuid()::text),
                       coalesce(s.value ->> 'queue', s.value ->> 'task'), coalesce(nullif(s.value -> 'args', 'null'), '[]'),
                       coalesce(nullif(s.value -> 'kwargs', 'null'), '{}'), coalesce((s.value ->> 'immutable')::boolean, false)
                from jsonb_array_elements(signatures) with ordinality as s;
end
$$;

create function chard.check_signature(n bigint, task text, task_id text, queue text, args jsonb, kwargs jsonb) returns void
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
        wrong text := case
                when coalesce(task, '') = '' then 'has no name'
                when jsonb_typeof(args) <> 'array' then 'has args that are no array'
                when jsonb_typeof(kwargs) <> 'object' then 'has kwargs that are no object'
                when octet_length(convert_to(task_id, 'UTF8')) not between 1 and 255 then 'has an id that is not 1 to 255 bytes long'
                when octet_length(convert_to(queue, 'UTF8')) not between 1 and 255 then 'has a queue that is not 1 to 255 bytes long'
        end;
begin
        if wrong is not null then
                raise exception 'task % %', n, wrong using errcode = 'invalid_parameter_value';
        end if;
end
$$;

-- Enqueue a chain of signatures, each {"task", "args", "kwargs", "queue", "id", "immutable"}, all but "task" optional:
-- each task's result becomes the first argument of the next. Returns the first task's id, which is the job's.
create function chard.enqueue_signatures(signatures jsonb, due timestamptz default now(), id text default null,
                                         expires timestamptz default null, traceparent text default null,
                                         tracestate text default null, baggage text default null)
returns text language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
        tasks chard.signature[];
        first chard.signature;
        chain jsonb;
begin
        select array_agg((s.task, s.task_id, s.queue, s.args, s.kwargs, s.immutable)::chard.signature order by s.n) into tasks
        from chard.task_signatures(signatures, enqueue_signatures.id) as s;
        perform chard.check_signature(t.n, t.task, t.task_id, t.queue, t.args, t.kwargs)
        from unnest(tasks) with ordinality as t (task, task_id, queue, args, kwargs, immutable, n);
        first := tasks[1];
        select jsonb_agg(jsonb_build_object('task', t.task, 'args', t.args, 'kwargs', t.kwargs, 'subtask_type', null,
                       'immutable', t.immutable, 'options', jsonb_build_object('task_id', t.task_id, 'root_id', first.task_id,
                       'parent_id', tasks[t.n - 1].task_id, 'exchange', t.queue, 'routing_key', t.queue)) order by t.n desc)
        into chain
        from unnest(tasks) with ordinality as t (task, task_id, queue, args, kwargs, immutable, n) where t.n > 1;
        insert into chard.scheduled (due_at, exchange, routing_key, reason, task_id, properties, body)
        values (date_trunc('milliseconds', due), '', first.queue, 'enqueue', first.task_id,
                chard.task_properties(chard.task_headers(first.task, first.task_id, first.args, first.kwargs, expires, traceparent,
                                                         tracestate, baggage), first.task_id),
                convert_to(jsonb_build_array(first.args, first.kwargs, jsonb_build_object('callbacks', null, 'errbacks', null,
                           'chain', chain, 'chord', null))::text, 'UTF8'));
        perform pg_notify('chard_scheduled', floor(extract(epoch from due) * 1000)::bigint::text);
        return first.task_id;
end
$$;

-- Enqueue one task. Returns its id.
create function chard.enqueue(name text, args jsonb default '[]', kwargs jsonb default '{}', queue text default null,
                              due timestamptz default now(), id text default null, expires timestamptz default null,
                              traceparent text default null, tracestate text default null, baggage text default null)
returns text language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
        select chard.enqueue_signatures(jsonb_build_array(jsonb_build_object('task', name, 'args', args, 'kwargs', kwargs, 'queue', queue)),
                                        due, id, expires, traceparent, tracestate, baggage)
$$;

-- Enqueue a chain by its tasks' names; the first gets the arguments. Returns the job's id.
--     select chard.enqueue_chain(array['text.fetch', 'text.summary', 'text.send'], '{"url": "…", "user_id": "u1"}');
create function chard.enqueue_chain(names text[], kwargs jsonb default '{}', args jsonb default '[]', queues text[] default null,
                                    due timestamptz default now(), id text default null, expires timestamptz default null,
                                    traceparent text default null, tracestate text default null, baggage text default null)
returns text language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
        select chard.enqueue_signatures(
                (select jsonb_agg(case when n = 1 then jsonb_build_object('task', name, 'queue', queues[n], 'args', args, 'kwargs', kwargs)
                                  else jsonb_build_object('task', name, 'queue', queues[n]) end order by n)
                 from unnest(names) with ordinality as t (name, n)),
                due, id, expires, traceparent, tracestate, baggage)
$$;

revoke all on all functions in schema chard from public;
