-- SPDX-License-Identifier: Apache-2.0
-- Pictures that messages only name.

-- statement: blob_put
insert into chard.blob (digest, type, size, content)
select digest, type, length(content), content from unnest($1::text[], $2::text[], $3::bytea[]) as b (digest, type, content)
on conflict (digest) do update set used_at = now()

-- statement: blob_get
with used as (update chard.blob set used_at = now() where digest = $1 and used_at < now() - interval '1 hour')
select content from chard.blob where digest = $1

-- In the order of the digests, so that no two of these wait for each other.
-- statement: blob_touch
-- gives: missing
with there as (select digest from chard.blob where digest = any ($1::text[]) order by digest for update),
used as (update chard.blob b set used_at = now() from there where b.digest = there.digest)
select asked from unnest($1::text[]) as asked where asked not in (select digest from there)

-- A few at a time: each may be ten megabytes. $1 = unused for so many milliseconds.
-- statement: blob_forget
-- gives: count
with old as (
        select digest from chard.blob where used_at < now() - $1::text::bigint * interval '1 ms' order by used_at limit 100 for update skip locked),
gone as (delete from chard.blob b using old where b.digest = old.digest returning 1)
select count(*) from gone
