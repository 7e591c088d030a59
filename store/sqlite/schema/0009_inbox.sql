-- SPDX-License-Identifier: Apache-2.0
-- Which events a consumer has acted on: a row is written with the effects, in one transaction.

create table inbox (
        consumer text not null,
        event_id text not null,
        at       integer not null,
        primary key (consumer, event_id)
) strict;

create index inbox_by_age on inbox (at);
