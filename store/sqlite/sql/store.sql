-- SPDX-License-Identifier: Apache-2.0

-- Leases of an earlier process of this name are void from here on: a claim compares their time with the worker's start.
-- statement: store_started
insert into worker (name, started_at, beat_at) values (?1, ?2, ?2)
on conflict (name) do update set started_at = ?2

-- statement: store_unlock
update scheduled set locked_by = null, locked_until = null where locked_by = ?1

-- statement: store_newest
select max(id) from scheduled

-- statement: store_view
select sql from sqlite_master where type = 'view' and name = ?1
