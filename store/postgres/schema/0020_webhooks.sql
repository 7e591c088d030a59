-- SPDX-License-Identifier: Apache-2.0
-- Who is told when a job has ended. A row is there before the job's message is published: from the transaction on that ends the job it is owed.

create table chard.webhook (
        created_at timestamptz not null default now(),
        due_at     timestamptz, -- of one that is owed: not before
        done_at    timestamptz,
        ended_at   timestamptz, -- when the job did whose end is told
        attempts   integer not null default 0,
        round      integer not null default 0, -- ends of the job that were told before this one
        status     integer not null default 0, -- the HTTP status that came last, 0 = none
        id         text collate "C" primary key,
        job_id     text collate "C" not null,
        state      text not null default 'waiting' check (state in ('waiting', 'owed', 'delivered', 'given_up')),
        told       text, -- the job's state that is told
        url        text not null,
        trace      text, -- the traceparent of whoever asked for it
        body       text, -- what is sent: the same at every try
        why        text not null default '',
        unique (job_id, url)
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02);

-- One that failed may be sent on by an operator, and end once more.
create index webhook_open on chard.webhook (job_id) where state = 'waiting' or told = 'FAILURE';
create index webhook_due on chard.webhook (due_at) where state = 'owed';
create index webhook_created on chard.webhook (created_at);
