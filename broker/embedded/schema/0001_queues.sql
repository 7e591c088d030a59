-- SPDX-License-Identifier: Apache-2.0
-- The embedded broker: what is declared, what waits, and who has it.

create table broker_exchange (
        name text primary key
) strict, without rowid;

create table broker_queue (
        id integer primary key,
        name text not null unique
) strict;

create table broker_binding (
        source text not null,      -- an exchange
        routing_key text not null, -- words, * and #
        destination text not null,
        to_exchange integer not null,
        primary key (source, routing_key, destination, to_exchange)
) strict, without rowid;

-- Counts what changed in the three above: who keeps them in memory reads them again.
create table broker_declared (
        version integer not null
) strict;
insert into broker_declared values (0);

-- One row a broker that is open. It holds a lock on byte `id` of FILE-lock; without that lock it is dead. Ids are never used again.
create table broker_session (
        id integer primary key autoincrement,
        name text not null,
        pid integer not null,
        started_ms integer not null
) strict;

create table broker_message (
        id integer primary key, -- in the order of publishing
        exchange text not null,
        routing_key text not null,
        properties blob not null, -- AMQP encoding
        body blob not null
) strict;

-- Apart from the message, because it changes with every delivery.
create table broker_entry (
        queue integer not null,
        owner integer not null, -- the session that has it unacked, 0 = ready
        id integer not null,    -- broker_message.id; a message in two queues is two messages
        redelivered integer not null,
        deliveries integer not null,
        primary key (queue, owner, id)
) strict, without rowid;
