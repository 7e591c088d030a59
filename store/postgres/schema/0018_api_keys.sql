-- SPDX-License-Identifier: Apache-2.0
-- Who may ask the HTTP gateway. What a key's holder shows is kept as a digest alone.

create table chard.api_key (
        created_at timestamptz not null default now(),
        revoked_at timestamptz, -- a row stays: that there ever was a key says that one is asked for
        rate       integer not null default 0, -- requests a minute; 0 = as many as they like
        id         text collate "C" primary key,
        name       text not null,
        digest     text not null,
        scopes     text not null -- comma-separated
);
