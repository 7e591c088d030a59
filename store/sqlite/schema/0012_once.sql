-- SPDX-License-Identifier: Apache-2.0
-- Requests from outside that their clients may send again: each is done once, under one id, whoever takes it; as store/postgres/schema/ has it for PostgreSQL.

create table once (
        key         text primary key, -- a digest of who asked, and of the key that they gave
        fingerprint text not null, -- a digest of what was asked
        job_id      text not null,
        token       text not null, -- of the attempt
        until       integer not null, -- somebody is at it until then, unless it is done
        done        integer not null default 0,
        created_at  integer not null
) strict;

create index once_by_age on once (created_at);
