-- SPDX-License-Identifier: Apache-2.0
-- Who may ask the HTTP gateway. What a key's holder shows is kept as a digest alone.

create table api_key (
        id         text primary key,
        name       text not null,
        digest     text not null,
        scopes     text not null, -- comma-separated
        rate       integer not null default 0, -- requests a minute; 0 = as many as they like
        created_at integer not null,
        revoked_at integer -- a row stays: that there ever was a key says that one is asked for
) strict;
