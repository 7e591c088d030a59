-- SPDX-License-Identifier: Apache-2.0
-- An order for readers of the outbox (`chard events`) that never puts a row before one that was read already: rows by
-- transaction, then by number. A number alone would not do, because a transaction may commit after one that took
-- later numbers; who reads only below the oldest transaction under way misses none.

create sequence chard.outbox_number;

alter table chard.outbox
        add column xact xid8 not null default pg_current_xact_id(),
        add column number bigint not null default nextval('chard.outbox_number');

create index outbox_order on chard.outbox (xact, number);
