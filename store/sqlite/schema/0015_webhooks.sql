-- SPDX-License-Identifier: Apache-2.0
-- Who is told when a job has ended. A row is there before the job's message is published: from the transaction on that ends the job it is owed.

create table webhook (
        id         text primary key,
        job_id     text not null,
        url        text not null,
        state      text not null default 'waiting' check (state in ('waiting', 'owed', 'delivered', 'given_up')),
        trace      text, -- the traceparent of whoever asked for it
        told       text, -- the job's state that is told
        body       text, -- what is sent: the same at every try
        why        text not null default '',
        attempts   integer not null default 0,
        round      integer not null default 0, -- ends of the job that were told before this one
        status     integer not null default 0, -- the HTTP status that came last, 0 = none
        created_at integer not null,
        due_at     integer, -- of one that is owed: not before
        done_at    integer,
        ended_at   integer, -- when the job did whose end is told
        unique (job_id, url)
) strict;

-- One that failed may be sent on by an operator, and end once more.
create index webhook_open on webhook (job_id) where state = 'waiting' or told = 'FAILURE';
create index webhook_due on webhook (due_at) where state = 'owed';
create index webhook_created on webhook (created_at);
