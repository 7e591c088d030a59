-- SPDX-License-Identifier: Apache-2.0
-- Pictures that messages only name, by the digest of what is in them.

create table blob (
        digest     text primary key,
        type       text not null,
        size       integer not null,
        created_at integer not null,
        used_at    integer not null,
        content    blob not null
) strict;

create index blob_used on blob (used_at);
