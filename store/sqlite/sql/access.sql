-- SPDX-License-Identifier: Apache-2.0
-- What was asked already by those who give their requests keys, and who may ask.

-- ?5 = now, ?6 = for how long, ?7 = before then it is forgotten.
-- statement: once_begin
insert into once (key, fingerprint, job_id, token, until, created_at) values (?1, ?2, ?3, ?4, ?5 + ?6, ?5)
on conflict (key) do update set
        fingerprint = ?2, token = ?4, until = ?5 + ?6, done = 0,
        job_id = iif(created_at <= ?7, ?3, job_id),
        created_at = iif(created_at <= ?7, ?5, created_at)
where created_at <= ?7 or (not done and until <= ?5 and fingerprint = ?2)

-- statement: once_read
-- gives: once
select iif(fingerprint <> ?2, 'other', iif(done, 'done', iif(token = ?3, 'mine', 'open'))), job_id, max(0, (until - ?4 + 999) / 1000)
from once where key = ?1

-- Whose attempt took too long says that it is done, too: the job is the same.
-- statement: once_settle
update once set done = done or ?4, until = ?5 where key = ?1 and job_id = ?2 and (?4 or token = ?3)

-- statement: once_forget
delete from once where rowid in (select rowid from once where created_at < ?1 order by created_at limit ?2)

-- ---- who may ask ----

-- statement: key_add
insert into api_key (id, name, digest, scopes, rate, created_at) values (?1, ?2, ?3, ?4, ?5, ?6) on conflict (id) do nothing

-- statement: key_list
-- gives: keys
select id, name, digest, scopes, rate, created_at, revoked_at
from api_key order by id

-- statement: key_revoke
update api_key set revoked_at = coalesce(revoked_at, ?2) where id = ?1 or name = ?1

-- statement: key_revoked
-- gives: revoked_keys
select id, name from api_key where id = ?1 or name = ?1 order by id
