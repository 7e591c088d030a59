-- SPDX-License-Identifier: Apache-2.0
-- Pictures that messages only name.

-- ?4 = now.
-- statement: blob_put
insert into blob (digest, type, size, created_at, used_at, content) values (?1, ?2, length(?3), ?4, ?4, ?3)
on conflict do update set used_at = excluded.used_at

-- statement: blob_get
select content from blob where digest = ?1

-- ?2 = now, ?3 = it was used before then.
-- statement: blob_use
update blob set used_at = ?2 where digest = ?1 and used_at < ?3

-- statement: blob_forget
delete from blob where digest in (select digest from blob where used_at < ?1 order by used_at limit 100)
