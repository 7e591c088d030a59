-- SPDX-License-Identifier: Apache-2.0
-- Messages that are published later, or surely.

-- `key` is made by whoever inserts, so that an insert repeated after an unknown outcome is the same row.
-- Rows come and go quickly and are read in due order: dead ones must be vacuumed before they pile up in that index.
create table chard.scheduled (
        id          bigint generated always as identity primary key,
        due_at      timestamptz not null,
        created_at  timestamptz not null default now(),
        key         uuid not null default gen_random_uuid() unique,
        exchange    text not null,
        routing_key text not null,
        reason      text not null,
        task_id     text collate "C",
        properties  bytea not null,
        body        bytea not null
) with (
        autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_insert_scale_factor = 0,
        autovacuum_vacuum_insert_threshold = 50000,
        autovacuum_vacuum_cost_delay = 0
);

comment on column chard.scheduled.properties is
        'AMQP 0-9-1 basic properties as on the wire: property flags, then the present properties, header table included';

create index scheduled_due on chard.scheduled (due_at);
