-- SPDX-License-Identifier: Apache-2.0

-- Conditions of a filter: parameters ?1 … ?15. The first one is a JSON array of entries, empty for all.
-- part: dead_filter
(?2 = '' or state = ?2)
and (?3 = '' or name = ?3 or (substr(?3, -1) = '*' and substr(name, 1, length(?3) - 1) = substr(?3, 1, length(?3) - 1)))
and (?4 = '' or queue = ?4)
and (?5 = '' or error_code = ?5
        or (substr(?5, -1) = '*' and substr(error_code, 1, length(?5) - 1) = substr(?5, 1, length(?5) - 1)))
and (?6 = '' or group_id = ?6) and (?7 = '' or user_id = ?7) and (?8 = '' or root_id = ?8)
and (?9 = '' or task_id = ?9) and (?10 = '' or instr(lower(error_message), lower(?10)) > 0)
and (?11 = 0 or died_at >= ?11) and (?12 = 0 or died_at < ?12)
and entry > ?13 and (?14 = 0 or entry <= ?14) and (?15 < 0 or rounds = ?15)
and (?1 = '[]' or entry in (select value from json_each(?1)))

-- statement: dead_known
select 1 from dead_letter where key = ?1

-- statement: dead_kept
select entry, died_at from dead_letter where same = ?1 and state = 'kept'

-- statement: dead_before
select case when automatic then rounds + 1 else 0 end from dead_letter where task_id = ?1 order by entry desc limit 1

-- statement: dead_insert
insert into dead_letter (key, same, died_at, kept_at, attempts, rounds, edited, task_id, root_id, name, queue,
        error_source, error_code, error_message, group_id, cause, trace_id, user_id, worker, next_task, verdict)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)

-- statement: dead_content
insert into dead_letter_content (entry, properties, body, edited) values (?1, ?2, ?3, ?4)

-- A later death of a task whose entry nobody has looked at yet takes the place of the earlier one's record.
-- statement: dead_renew
update dead_letter set key = ?2, died_at = ?3, attempts = ?4, error_source = ?5, error_code = ?6,
        error_message = ?7, group_id = ?8, cause = ?9, trace_id = ?10, worker = ?11, verdict = ?12 where entry = ?1

-- statement: dead_renew_content
update dead_letter_content set properties = ?2 where entry = ?1

-- statement: dead_audit
insert into dead_letter_audit (at, batch, operation, action, who, reason, scope, entries)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)

-- statement: dead_act
insert into dead_letter_act (entry, audit) values (?1, ?2)

-- What an entry, its task and its job are: a sum of enum dead_seen (store/meaning.h). Without a task's row nothing stands in its way.
-- statement: dead_look
select 1 + 2 * (d.state = 'kept') + 8 * (d.state = 'resolved')
        + 16 * (?3 not in (0, (select count(*) from dead_letter_act a where a.entry = d.entry) + 1))
        + case t.state when 'REVOKED' then 32 when 'SUCCESS' then 64 else 0 end
        + 128 * (coalesce((select j.state from job j where j.root_id = d.root_id), 'SUCCESS') = 'SUCCESS'
                or exists (select 1 from task n where n.root_id = d.root_id and n.root_id <> n.id and n.parent_id = d.task_id))
        + 256 * coalesce(t.state = 'STARTED' and t.lease_until > ?2 and not exists (
                select 1 from worker w where w.name = t.lease_owner and w.started_at > t.started_at), 0)
        + 512 * (d.task_id <> '' and exists (select 1 from scheduled s where s.task_id = d.task_id))
from dead_letter d left join task t on t.id = d.task_id and d.task_id <> '' where d.entry = ?1

-- statement: dead_settled
update dead_letter set state = ?2, settled_at = ?3, automatic = coalesce(?4, automatic) where entry = ?1

-- statement: dead_task
update task set state = 'PENDING', starts = 0, attempts = 0, error = null, finished_at = null, lease_owner = null,
        lease_until = null where id = (select task_id from dead_letter where entry = ?1 and task_id <> '')

-- A job with another dead branch stays what it is until that one comes back too.
-- statement: dead_job
update job set state = 'STARTED', error = null, finished_at = null, updated_at = ?2, restarts = 0
where root_id = (select root_id from dead_letter where entry = ?1 and root_id <> '') and state = 'FAILURE'
and not exists (select 1 from task o where o.id = job.root_id and o.state = 'FAILURE')
and not exists (select 1 from task o where o.root_id = job.root_id and o.root_id <> o.id and o.state = 'FAILURE')

-- statement: dead_ids
select nullif(task_id, ''), nullif(root_id, '') from dead_letter where entry = ?1

-- statement: dead_is_kept
select 1 from dead_letter d where entry = ?1 and state = 'kept'
and ?2 in (0, (select count(*) from dead_letter_act a where a.entry = d.entry) + 1)

-- statement: dead_edited
update dead_letter set edited = ?2 where entry = ?1

-- statement: dead_edited_content
update dead_letter_content set edited = ?2 where entry = ?1

-- Figures of each group g, and what is said of it from its latest entry l.
-- part: dead_group_figures
select group_id, count(*) as count, sum(edited) as edited, count(distinct nullif(user_id, '')) as users,
        min(died_at) as first, max(died_at) as last, max(entry) as entry from dead_letter

-- part: dead_group_row
g.group_id, l.name, l.queue, l.error_source, l.error_code, l.cause, l.verdict, l.error_message, g.count, g.entry, g.edited, g.users, g.first, g.last

-- statement: dead_groups
-- gives: groups
with g as materialized ({{dead_group_figures}} where {{dead_filter}}
        group by group_id order by count(*) desc, group_id limit ?16)
select {{dead_group_row}} from g cross join dead_letter l on l.entry = g.entry
order by g.count desc, g.group_id

-- statement: dead_count
-- gives: dead_count
select count(*), coalesce(max(entry), 0), coalesce(sum(edited), 0) from dead_letter where {{dead_filter}}

-- statement: dead_history
-- gives: acts
select a.at, a.action, a.who, a.reason, a.scope, a.operation, a.entries
from dead_letter_act c join dead_letter_audit a on a.id = c.audit where c.entry = ?1 order by a.id

-- What is kept, and what went within the hour (?2, five minutes ?3, one ?4): what came within it is one of these.
-- part: dead_recent
with e as materialized (
        select name, queue, error_code, group_id, state, died_at, kept_at, settled_at from dead_letter where state = 'kept'
        union all select name, queue, error_code, group_id, state, died_at, kept_at, settled_at from dead_letter
                where settled_at > ?2 and state <> 'kept')

-- statement: dead_totals
{{dead_recent}} select ?1, count(*), count(distinct group_id), min(died_at) from e where state = 'kept' and ?3 and ?4

-- statement: dead_rates
{{dead_recent}} select name, queue, error_code, count(*) filter (where state = 'kept'), min(died_at) filter (where state = 'kept'),
        count(*) filter (where kept_at > ?4), count(*) filter (where kept_at > ?3), count(*) filter (where kept_at > ?2),
        count(*) filter (where settled_at > ?4), count(*) filter (where settled_at > ?3), count(*) filter (where settled_at > ?2)
from e where ?1 group by name, queue, error_code
order by count(*) filter (where state = 'kept') desc, name, queue, error_code

-- A group that has gone is new when it comes again.
-- statement: dead_gone
delete from dead_letter_alarm where group_id not in
(select group_id from dead_letter where state = 'kept')

-- Of now, growth, least, quiet, limit, factor.
-- statement: dead_due
-- gives: alarms
with g as materialized ({{dead_group_figures}} where state = 'kept' group by group_id)
select {{dead_group_row}}, coalesce(a.entries, 0) = 0, coalesce(a.entries, 0)
from g left join dead_letter_alarm a on a.group_id = g.group_id join dead_letter l on l.entry = g.entry
where a.group_id is null
        or (a.leased_until <= ?1 and (a.entries = 0 or (g.count >= a.entries + max(?3, a.entries * ?2 / 100)
                and (a.at <= ?1 - ?4 or (?6 > 0 and g.count >= a.entries * ?6)))))
order by g.count desc, g.group_id limit ?5

-- Given to somebody: not due again before the lease ends. Until somebody was told of it its row has no entries.
-- statement: dead_given
insert into dead_letter_alarm (group_id, at, entries, leased_until) values (?1, 0, 0, ?2)
on conflict (group_id) do update set leased_until = ?2

-- Of groups, told, now. Nobody was told: it is due again at once.
-- statement: dead_told
update dead_letter_alarm set at = iif(?2, ?3, at), leased_until = 0, entries = iif(?2, g.count, entries)
from (select value ->> 'group' as id, value ->> 'count' as count from json_each(?1)) g where group_id = g.id

-- part: dead_now_us
cast((julianday('now') - 2440587.5) * 86400000 as integer) * 1000

-- Of the task of entry d: 1 a message of it is scheduled, 2 a task that follows it is known, 4 a worker that lives runs it.
-- part: standing
exists (select 1 from scheduled w where w.task_id = d.task_id)
+ 2 * exists (select 1 from task n where n.root_id = d.root_id and n.root_id <> n.id and n.parent_id = d.task_id)
+ 4 * exists (select 1 from task k where k.id = d.task_id and k.lease_until > {{dead_now_us}}
                and not exists (select 1 from worker w where w.name = k.lease_owner and w.started_at > k.started_at))

-- What a page gives of an entry; its content (?18 & 1) and its task's and job's states (not ?18 & 2) only where they are wanted.
-- part: dead_page
select d.entry, d.died_at, d.kept_at, d.settled_at, d.attempts, d.rounds, length(c.body), d.state, d.task_id,
        d.root_id, d.name, d.queue, d.error_source, d.error_code, d.error_message, d.group_id, d.cause, d.trace_id,
        d.user_id, d.worker, d.next_task, d.verdict,
        case when ?18 & 2 = 0 then coalesce((select t.state from task t where t.id = d.task_id), '') else '' end,
        case when ?18 & 2 = 0 then coalesce((select j.state from job j where j.root_id = d.root_id), '') else '' end,
        case when ?18 & 2 = 0 and d.task_id <> '' then {{standing}} else 0 end,
        case when ?18 & 1 then c.properties end, case when ?18 & 1 then c.body end,
        case when ?18 & 1 or c.edited is null then c.edited else x'' end,
        case when ?18 & 1 then (select count(*) from dead_letter_act a where a.entry = d.entry) + 1 else 0 end
from p cross join dead_letter d on d.entry = p.entry cross join dead_letter_content c on c.entry = p.entry
order by p.n

-- ?19: twice the sort, and one more when it descends.
-- part: sort_number
case ?19 / 2 when 0 then entry when 1 then died_at when 5 then attempts end

-- part: sort_text
case ?19 / 2 when 2 then name when 3 then error_code when 4 then queue end

-- part: sort
case when ?19 % 2 = 0 then {{sort_number}} end, case when ?19 % 2 = 1 then {{sort_number}} end desc,
case when ?19 % 2 = 0 then {{sort_text}} end, case when ?19 % 2 = 1 then {{sort_text}} end desc, entry

-- Any filter, any order.
-- statement: dead_page
with p as materialized (select entry, row_number() over (order by {{sort}}) as n from dead_letter where {{dead_filter}} order by n limit ?16 offset ?17) {{dead_page}}

-- By state, in the order of entries, from one on: what goes through all of them in batches. And the latest ones first.
-- part: dead_along
select entry from dead_letter where state = ?2 and entry > ?13 and {{dead_filter}}

-- statement: dead_along
with p as materialized (select entry, entry as n from ({{dead_along}} order by state, entry limit ?16 offset ?17)) {{dead_page}}

-- statement: dead_back
with p as materialized (select entry, -entry as n from ({{dead_along}} order by state desc, entry desc limit ?16 offset ?17)) {{dead_page}}
