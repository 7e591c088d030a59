-- SPDX-License-Identifier: Apache-2.0
-- The order of an aggregate's versions is the order of the snapshots that counted them. A transaction's own id says
-- nothing of it when the transaction took that id in an earlier statement (a lock, a grant): others may have committed
-- in between, with later ids and earlier versions. So a row carries the newest transaction that had ended when its
-- statement began, or its own, whichever is later. It is never before its own: what readers stop below still holds.

alter table chard.outbox alter column xact set default
        greatest(pg_current_xact_id(), (pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1)::text::xid8);
