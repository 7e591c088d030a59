-- SPDX-License-Identifier: Apache-2.0
-- Pictures that messages only name, by the digest of what is in them.

create table chard.blob (
        created_at timestamptz not null default now(),
        used_at    timestamptz not null default now(),
        size       integer not null,
        digest     text collate "C" primary key,
        type       text not null,
        content    bytea not null
);

-- Pictures are compressed already.
alter table chard.blob alter column content set storage external;

create index blob_used on chard.blob (used_at);
