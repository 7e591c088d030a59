-- SPDX-License-Identifier: Apache-2.0
-- Events that are handed to readers of the outbox once more; as store/postgres/schema/ has it for PostgreSQL.

alter table outbox add column backfill text; -- which backfill has put the event here once more; null = it happened then

create index outbox_backfill on outbox (backfill, position) where backfill is not null;
