/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that got stuck: found in chunks, and failed or sent on. */
#include "store/postgres/dead.h"
#include "store/postgres/statements.h"

#include "core/json.h"

#include <stdlib.h>

/* What waits in `scheduled` is read once; the tasks of a job through their indexes. */
const struct statement statement_stale_find = {
        "chard_stale_find",
        "with limits as materialized (select * from unnest($1::text[], $2::int8[]) as l (pipeline, ms)),"
        " waits as materialized (select distinct task_id from chard.scheduled where task_id is not null),"
        " open as materialized ("
        "  select j.* from chard.job j where j.state in ('PENDING', 'STARTED', 'RETRY')"
        "   and j.updated_at < now() - coalesce((select l.ms from limits l where l.pipeline = j.pipeline),"
        "     (select l.ms from limits l where l.pipeline = '')) * interval '1 ms'),"
        " stuck as materialized ("
        "  select o.* from open o where not exists ("
        "    select from (select * from chard.task a where a.id = o.root_id union all"
        "     select * from chard.task b where b.root_id = o.root_id and b.root_id <> b.id offset 0) t"
        "    where (t.state = 'STARTED' and t.lease_until > now())"
        "     or case when t.id in (select task_id from waits) then true else false end)"
        "  order by o.updated_at, o.root_id limit $3::int8)"
        " select coalesce(json_agg(json_build_object('id', s.root_id, 'pipeline', s.pipeline, 'state', s.state,"
        "   'updated_us', (extract(epoch from s.updated_at) * 1000000)::int8, 'restarts', s.restarts, 'document', s.document,"
        "   'last', case when l.id is not null then json_build_object('id', l.id, 'name', l.name, 'parent_id', l.parent_id,"
        "     'result', l.result, 'chain', s.chain) end) order by s.updated_at, s.root_id), '[]')::text"
        " from stuck s left join lateral ("
        "  select k.id, k.name, k.parent_id, k.result from chard.task k"
        "  where k.id = s.last_task and k.state = 'SUCCESS' and s.chain is not null"
        "   and (select n.id from chard.task n where n.root_id = s.root_id and n.root_id <> n.id and n.parent_id = k.id limit 1) is null"
        "  offset 0) l on true"
};

/* What may not change between the last look at the jobs and what is done to them: their tasks, then they themselves, each in the order in
 * which claims, commits and requeues take them, so that nobody deadlocks. */
const struct statement statement_stale_lock_tasks = {
        "chard_stale_lock_tasks",
        "select from chard.task where id = any (array("
        "  select t.id from unnest($1::text[]) as r (id), lateral (select a.id from chard.task a where a.id = r.id union all"
        "   select b.id from chard.task b where b.root_id = r.id and b.root_id <> b.id offset 0) t)) order by id for update"
};

const struct statement statement_stale_lock_jobs = {
        "chard_stale_lock_jobs",
        "select from chard.job where root_id = any ($1::text[]) order by root_id collate \"C\" for update"
};

/* One sweeper at a time; whoever does not get the lock does nothing, and finds the rest on its next round. A job that was claimed since
 * it was found, or has a message scheduled, is none of the stale ones any more. */
const struct statement statement_stale_settle = {
        "chard_stale_settle",
        "with lock as materialized (select pg_try_advisory_xact_lock(hashtextextended('chard.sweep', 0)) as mine),"
        " i as materialized ("
        "  select * from unnest($1::text[], $2::int8[], $3::int8[], $4::jsonb[], $5::text[], $6::text[], $7::jsonb[])"
        "   with ordinality as i (root_id, updated_us, restart, error, aggregate_type, type, payload, n)),"
        " m as materialized ("
        "  select * from unnest($8::int8[], $9::text[], $10::text[], $11::text[], $12::text[], $13::bytea[], $14::bytea[])"
        "   with ordinality as m (n, task_id, name, exchange, routing_key, properties, body, place)),"
        " j as materialized ("
        "  select i.*, o.pipeline, o.restarts from i, lock, lateral (select * from chard.job x where x.root_id = i.root_id"
        "   and x.state in ('PENDING', 'STARTED', 'RETRY') and (extract(epoch from x.updated_at) * 1000000)::int8 = i.updated_us"
        "   offset 0) o where lock.mine and not exists ("
        "   select from (select a.id, a.state, a.lease_until from chard.task a where a.id = i.root_id union all"
        "    select b.id, b.state, b.lease_until from chard.task b where b.root_id = i.root_id and b.root_id <> b.id offset 0) t"
        "   where (t.state = 'STARTED' and t.lease_until > now())"
        "    or (select w.id from chard.scheduled w where w.task_id = t.id limit 1) is not null)),"
        " jobs as ("
        "  update chard.job b set state = case when f.error is null then b.state else 'FAILURE' end, error = f.error,"
        "   finished_at = case when f.error is not null then now() end, updated_at = now(),"
        "   restarts = b.restarts + f.restart"
        "  from (select root_id as id, restart, case when restart = 0 then error end as error from j offset 0) f"
        "  where b.root_id = f.id and b.root_id = any ($1)"
        "   and b.state in ('PENDING', 'STARTED', 'RETRY') and (extract(epoch from b.updated_at) * 1000000)::int8 ="
        "    (select updated_us from j where j.root_id = b.root_id)"
        "  returning b.root_id),"
        " failed as materialized (select * from j where error is not null and root_id in (select root_id from jobs)),"
        " tasks as ("
        "  update chard.task set state = 'FAILURE', finished_at = now(), lease_owner = null, lease_until = null,"
        "   error = (select f.error from failed f where f.root_id = chard.task.root_id)"
        "  where id = any (array(select t.id from failed f, lateral (select a.id, a.state from chard.task a where a.id = f.root_id"
        "    union all select b.id, b.state from chard.task b where b.root_id = f.root_id and b.root_id <> b.id offset 0) t"
        "   where t.state in ('PENDING', 'STARTED', 'RETRY')))),"
        " missing as ("
        "  insert into chard.task (id, root_id, name, state, error, finished_at)"
        "  select m.task_id, f.root_id, coalesce(m.name, ''), 'FAILURE', f.error, now() from failed f, m"
        "  where m.n = f.n and m.task_id is not null on conflict (id) do nothing),"
        " e as materialized (select gen_random_uuid() as id, f.* from failed f where type is not null),"
        " recorded as ("
        "  insert into chard.event (id, aggregate_type, aggregate_id, type, root_id, task_id, payload, version)"
        "  select id, aggregate_type, root_id, type, root_id,"
        "   coalesce((select m.task_id from m where m.n = e.n order by m.place limit 1), root_id), payload,"
        "   coalesce((select max(p.version) from chard.event p"
        "    where p.aggregate_id = e.root_id and p.aggregate_type = e.aggregate_type), 0) + 1 from e),"
        " sent as ("
        "  insert into chard.outbox (id, aggregatetype, aggregateid, type, payload)"
        "  select id, aggregate_type, root_id, type, payload from e order by n),"
        " again as ("
        "  insert into chard.scheduled (key, due_at, exchange, routing_key, reason, task_id, properties, body)"
        "  select md5(j.root_id || ' restart ' || j.restarts || ' ' || m.task_id)::uuid, now(), m.exchange, m.routing_key, 'restart',"
        "   m.task_id, m.properties, m.body"
        "  from j, m where m.n = j.n and j.restart <> 0 and m.exchange is not null and j.root_id in (select root_id from jobs)"
        "  order by m.place on conflict (key) do nothing)"
        " select root_id from jobs"
};

/* ---- find ---- */

static int send_find(struct link *link, struct group *group)
{
        const struct stale_query *q = group->calls[0]->what;
        struct arguments *a = &link->store->arguments;
        struct column *pipeline, *ms;

        arguments_reset(a);
        pipeline = arguments_array(a, COLUMN_TEXT);
        ms = arguments_array(a, COLUMN_INT8);
        for (size_t i = 0; i < q->limit_count; i++) {
                column_text(pipeline, q->limits[i].pipeline);
                column_int8(ms, q->limits[i].limit_ms);
        }
        arguments_number(a, q->limit);
        return link_send(link, group, &statement_stale_find);
}

const struct verb verb_stale_find = {
        .lane = LANE_STALE_FIND,
        .link = LINK_DEAD,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_find,
        .answer = answer_json,
        .refuse = refuse_json,
};

void pg_stale_find(struct store *s, const struct stale_query *query, json_done *done, void *arg)
{
        call_add(pg_of(s), &verb_stale_find, query, NULL, (void (*)(void))done, arg);
}

/* ---- settle ---- */

struct settle_call {
        const struct stale_item *items;
        size_t count;
};

struct columns {
        struct column *root, *updated, *restart, *error, *aggregate, *type, *payload;
        struct column *of, *task, *name, *exchange, *key, *properties,
                *body; /* what follows: `of` counts the jobs from 1 */
};

static void begin_items(struct arguments *a, struct columns *c)
{
        c->root = arguments_array(a, COLUMN_TEXT);
        c->updated = arguments_array(a, COLUMN_INT8);
        c->restart = arguments_array(a, COLUMN_INT8);
        c->error = arguments_array(a, COLUMN_JSONB);
        c->aggregate = arguments_array(a, COLUMN_TEXT);
        c->type = arguments_array(a, COLUMN_TEXT);
        c->payload = arguments_array(a, COLUMN_JSONB);
        c->of = arguments_array(a, COLUMN_INT8);
        c->task = arguments_array(a, COLUMN_TEXT);
        c->name = arguments_array(a, COLUMN_TEXT);
        c->exchange = arguments_array(a, COLUMN_TEXT);
        c->key = arguments_array(a, COLUMN_TEXT);
        c->properties = arguments_array(a, COLUMN_BYTEA);
        c->body = arguments_array(a, COLUMN_BYTEA);
}

static void add_failure(struct columns *c, const struct stale_item *item)
{
        JSON_OWNED json_t *error = item->why ? json_pack("{s:s,s:s,s:s,s:i}", "source", item->why->source, "code",
                                                         item->why->code, "text", item->why->text, "attempts", 0)
                                             : NULL;

        if (error)
                column_json(c->error, error);
        else
                column_null(c->error);
        column_text(c->aggregate, item->aggregate_type);
        column_text(c->type, item->event_type);
        if (item->payload)
                column_json(c->payload, item->payload);
        else
                column_null(c->payload);
}

static void add_next(struct columns *c, size_t n, const struct stale_next *next)
{
        const struct message *m = next->message;

        column_int8(c->of, (int64_t)n + 1);
        column_text(c->task, next->task_id);
        column_text(c->name, next->task_name);
        column_text(c->exchange, m ? m->exchange : NULL);
        column_text(c->key, m ? m->routing_key : NULL);
        if (m) {
                column_bytes(c->properties, m->properties);
                column_bytes(c->body, m->body);
        } else {
                column_null(c->properties);
                column_null(c->body);
        }
}

static int send_roots(struct link *link, struct group *group, const struct settle_call *call,
                      const struct statement *statement)
{
        struct arguments *a = &link->store->arguments;
        struct column *root;

        arguments_reset(a);
        root = arguments_array(a, COLUMN_TEXT);
        for (size_t i = 0; i < call->count; i++)
                column_text(root, call->items[i].root_id);
        return link_send(link, group, statement);
}

static int send_stale(struct link *link, struct group *group)
{
        const struct settle_call *call = group->calls[0]->what;
        struct arguments *a = &link->store->arguments;
        struct columns c;
        bool restarts = false;
        int rc = send_roots(link, group, call, &statement_stale_lock_tasks);

        if (rc == 0)
                rc = send_roots(link, group, call, &statement_stale_lock_jobs);
        if (rc != 0)
                return rc;
        arguments_reset(a);
        begin_items(a, &c);
        for (size_t i = 0; i < call->count; i++) {
                const struct stale_item *item = &call->items[i];

                column_text(c.root, item->root_id);
                column_int8(c.updated, item->updated_us);
                column_int8(c.restart, item->restart);
                add_failure(&c, item);
                for (size_t n = 0; n < item->next_count; n++)
                        add_next(&c, i, &item->next[n]);
                restarts = restarts || item->restart;
        }
        rc = link_send(link, group, &statement_stale_settle);
        return rc == 0 && restarts ? scheduled_notify(link, group, 0) : rc;
}

static void answer_stale(struct link *link, struct group *group)
{
        struct call *call = group_take(group, 0);
        stale_settled *done = (stale_settled *)call->done;
        size_t settled = (size_t)PQntuples(group->results[2]);
        void *arg = call->arg;

        call_free(link->store, call);
        done(settled, NULL, arg);
}

static void refuse_stale(struct call *call, enum store_result result, const struct problem *why)
{
        (void)result;
        ((stale_settled *)call->done)(0, why, call->arg);
}

const struct verb verb_stale_settle = {
        .lane = LANE_STALE_SETTLE,
        .link = LINK_DEAD,
        .most = 1,
        .send = send_stale,
        .answer = answer_stale,
        .refuse = refuse_stale,
};

void pg_stale_settle(struct store *s, const struct stale_item *items, size_t count, stale_settled *done, void *arg)
{
        struct settle_call *call = malloc(sizeof(*call));
        struct problem why;

        if (!call) {
                problem_set(&why, "store", "out_of_memory", "out of memory");
                done(0, &why, arg);
                return;
        }
        *call = (struct settle_call){ items, count };
        call_add(pg_of(s), &verb_stale_settle, call, call, (void (*)(void))done, arg);
}
