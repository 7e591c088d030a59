-- SPDX-License-Identifier: Apache-2.0
-- What was asked already by those who give their requests keys, and who may ask.

-- A row is written each time, so that who asks at the same moment sees what became of it: a snapshot would not show it.
-- statement: once_begin on commits
-- gives: once
with asked as (
        select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int8[])
                with ordinality as a (key, fingerprint, job_id, token, lease_ms, n)),
kept as (
        insert into chard.once as o (key, fingerprint, job_id, token, until)
        select key, fingerprint, job_id, token, clock_timestamp() + lease_ms * interval '1 ms' from asked order by n
        on conflict (key) do update set
                (fingerprint, job_id, token, until, created_at, done) = (select
                        case when t.old then excluded.fingerprint else o.fingerprint end,
                        case when t.old then excluded.job_id else o.job_id end,
                        case when t.old or t.free then excluded.token else o.token end,
                        case when t.old or t.free then excluded.until else o.until end,
                        case when t.old then now() else o.created_at end,
                        o.done and not t.old
                from (values (o.created_at <= now() - interval '24 hours',
                              not o.done and o.until <= clock_timestamp() and o.fingerprint = excluded.fingerprint)) as t (old, free))
        returning *)
select case when k.fingerprint <> a.fingerprint then 'other' when k.done then 'done' when k.token = a.token then 'mine' else 'open' end,
        k.job_id, greatest(0, ceil(extract(epoch from k.until - clock_timestamp()) * 1000))::int8
from asked a join kept k using (key) order by a.n

-- Whose attempt took too long says that it is done, too: the job is the same.
-- statement: once_settle on commits
update chard.once o set done = o.done or a.done <> 0, until = now()
from unnest($1::text[], $2::text[], $3::text[], $4::int4[]) as a (key, job_id, token, done)
where o.key = a.key and o.job_id = a.job_id and (a.done <> 0 or o.token = a.token)

-- ---- who may ask ----

-- statement: key_add
-- gives: id
insert into chard.api_key (id, name, digest, scopes, rate) values ($1, $2, $3, $4, $5::text::integer)
on conflict (id) do nothing
returning id

-- statement: key_list
-- gives: keys
select id, name, digest, scopes, rate, created_at, revoked_at from chard.api_key order by id

-- statement: key_revoke
-- gives: revoked_keys
with revoked as (
        update chard.api_key set revoked_at = coalesce(revoked_at, now()) where id = $1 or name = $1 returning id, name)
select id, name from revoked order by id
