/* SPDX-License-Identifier: Apache-2.0 */
/* fail and give_back: attempts that ended without a result. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#include "core/json.h"

/* A failed attempt counts only while the task is ours, or nobody's: whoever took it over after our lease ran out decides
 * about it. Said twice it changes nothing: the attempts are given, not counted up, and the scheduled row has its own key.
 * A task that has succeeded only takes its job down. A job that fails, and had not failed already, says so in an event. */
const struct statement statement_fail = {
        "chard_fail",
        "with i as materialized ("
        " select * from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int4[], $8::jsonb[], $9::int4[],"
        "  $10::int4[], $11::int8[], $12::text[], $13::text[], $28::int4[]) with ordinality"
        "  as i (id, root_id, parent_id, name, state, attempts, error, tokens_in, tokens_out, cost, pipeline, part, excused, n)),"
        " done as ("
        "  insert into chard.task as t (id, root_id, parent_id, name, state, attempts, error, tokens_in, tokens_out,"
        "   cost_nano, finished_at, chord_part)"
        "  select id, root_id, parent_id, name, state, attempts, error, tokens_in, tokens_out, cost,"
        "   case when state = 'FAILURE' then now() end, part from i"
        "  on conflict (id) do update set state = excluded.state, attempts = greatest(t.attempts, excluded.attempts),"
        "   error = excluded.error, tokens_in = t.tokens_in + excluded.tokens_in,"
        "   tokens_out = t.tokens_out + excluded.tokens_out, cost_nano = t.cost_nano + excluded.cost_nano,"
        "   finished_at = excluded.finished_at, lease_owner = null, lease_until = null,"
        "   chord_part = excluded.chord_part,"
        "   starts = case when t.id in (select i.id from i where i.excused > 0) then greatest(t.starts - 1, 0) else t.starts end"
        "  where t.state in ('PENDING', 'STARTED', 'RETRY') and (t.lease_owner is null or t.lease_owner = $1)"
        "   and (excluded.state = 'FAILURE' or excluded.attempts > t.attempts)"
        "  returning t.id),"
        " again as ("
        "  insert into chard.scheduled (key, due_at, exchange, routing_key, reason, task_id, properties, body)"
        "  select key, timestamptz 'epoch' + due * interval '1 ms', exchange, routing_key, reason, task_id, properties, body"
        "  from unnest($14::uuid[], $15::int8[], $16::text[], $17::text[], $18::text[], $19::text[], $20::bytea[], $21::bytea[],"
        "   $22::text[]) as s (key, due, exchange, routing_key, reason, task_id, properties, body, of)"
        "  where case when s.of in (select id from done) then true else false end"
        "  on conflict (key) do nothing),"
        " jobs as ("
        "  insert into chard.job as j (root_id, pipeline, state, error, finished_at)"
        "  select distinct on (root_id collate \"C\") root_id, pipeline, 'FAILURE', error, now() from i"
        "  where state = 'FAILURE' and pipeline is not null"
        "   and (case when i.id in (select id from done) then true else false end"
        "    or (select t.state from chard.task t where t.id = i.id) = 'SUCCESS')"
        "  order by root_id collate \"C\", n"
        "  on conflict (root_id) do update set state = 'FAILURE', error = excluded.error, finished_at = now(), updated_at = now()"
        "  where j.state <> 'FAILURE' and (j.state <> 'SUCCESS' or j.root_id in"
        "   (select i.root_id from i where i.state = 'FAILURE' and i.id in (select id from done)))"
        "  returning j.root_id),"
        " e as materialized ("
        "  select distinct on (i.root_id) gen_random_uuid() as id, i.id as task_id, i.root_id, v.aggregate_type, v.type, v.payload, v.trace"
        "  from i join unnest($23::text[], $24::text[], $25::text[], $26::jsonb[], $27::text[])"
        "   as v (task_id, aggregate_type, type, payload, trace) on v.task_id = i.id"
        "  where i.root_id in (select root_id from jobs)"
        "   and (case when i.id in (select id from done) then true else false end"
        "    or (select t.state from chard.task t where t.id = i.id) = 'SUCCESS')"
        "  order by i.root_id, i.n),"
        " recorded as ("
        "  insert into chard.event (id, aggregate_type, aggregate_id, type, root_id, task_id, payload, version)"
        "  select id, aggregate_type, root_id, type, root_id, task_id, payload,"
        "   coalesce((select max(p.version) from chard.event p"
        "    where p.aggregate_id = e.root_id and p.aggregate_type = e.aggregate_type), 0) + 1 from e),"
        " sent as ("
        "  insert into chard.outbox (id, aggregatetype, aggregateid, type, payload, tracingspancontext)"
        "  select id, aggregate_type, root_id, type, payload, 'traceparent=' || trace from e)"
        " select id from done"
};

const struct statement statement_give_back = {
        "chard_give_back",
        "with back as ("
        "  update chard.task set state = case when attempts > 0 then 'RETRY' else 'PENDING' end,"
        "   starts = greatest(starts - 1, 0), lease_owner = null, lease_until = null"
        "  where id = any ($2::text[]) and state = 'STARTED' and lease_owner = $1)"
        " insert into chard.scheduled (key, due_at, exchange, routing_key, reason, task_id, properties, body)"
        " select key, timestamptz 'epoch' + due * interval '1 ms', exchange, routing_key, reason, task_id, properties, body"
        " from unnest($3::uuid[], $4::int8[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[], $10::bytea[],"
        "  $11::text[]) as s (key, due, exchange, routing_key, reason, task_id, properties, body, of)"
        " on conflict (key) do nothing"
};

/* ---- fail ---- */

static const char *failure_id(const struct call *call)
{
        return ((const struct failure *)call->what)->id;
}

static size_t scheduled_size(const struct scheduled *row)
{
        return row ? row->message->properties.size + row->message->body.size + 512 : 512;
}

static size_t failure_size(const struct call *call)
{
        return scheduled_size(((const struct failure *)call->what)->again);
}

struct columns {
        struct column *id, *root, *parent, *name, *state, *attempts, *error, *tokens_in, *tokens_out, *cost, *pipeline,
                *part, *excused;
};

struct event_columns {
        struct column *task, *aggregate, *type, *payload, *trace;
};

static void begin_events(struct arguments *a, struct event_columns *c)
{
        c->task = arguments_array(a, COLUMN_TEXT);
        c->aggregate = arguments_array(a, COLUMN_TEXT);
        c->type = arguments_array(a, COLUMN_TEXT);
        c->payload = arguments_array(a, COLUMN_JSONB);
        c->trace = arguments_array(a, COLUMN_TEXT);
}

static void add_event(struct event_columns *c, const struct failure *f)
{
        if (f->again || !f->event_type)
                return;
        column_text(c->task, f->id);
        column_text(c->aggregate, f->aggregate_type);
        column_text(c->type, f->event_type);
        column_json(c->payload, f->payload);
        column_text(c->trace, f->traceparent);
}

static void begin_failures(struct arguments *a, struct columns *c)
{
        c->id = arguments_array(a, COLUMN_TEXT);
        c->root = arguments_array(a, COLUMN_TEXT);
        c->parent = arguments_array(a, COLUMN_TEXT);
        c->name = arguments_array(a, COLUMN_TEXT);
        c->state = arguments_array(a, COLUMN_TEXT);
        c->attempts = arguments_array(a, COLUMN_INT4);
        c->error = arguments_array(a, COLUMN_JSONB);
        c->tokens_in = arguments_array(a, COLUMN_INT4);
        c->tokens_out = arguments_array(a, COLUMN_INT4);
        c->cost = arguments_array(a, COLUMN_INT8);
        c->pipeline = arguments_array(a, COLUMN_TEXT);
        c->part = arguments_array(a, COLUMN_TEXT);
}

static void add_failure(struct columns *c, const struct failure *f)
{
        JSON_OWNED json_t *error = failure_error(f);

        column_text(c->id, f->id);
        column_text(c->root, f->root_id);
        column_text(c->parent, f->parent_id);
        column_text(c->name, f->name ? f->name : "");
        column_text(c->state, f->again ? "RETRY" : "FAILURE");
        column_int4(c->attempts, f->attempts);
        column_json(c->error, error);
        column_int4(c->tokens_in, f->tokens_in);
        column_int4(c->tokens_out, f->tokens_out);
        column_int8(c->cost, f->cost_nano);
        column_text(c->pipeline, f->pipeline);
        column_text(c->part, f->again ? NULL : f->chord_part);
        column_int4(c->excused, f->again && f->excused);
}

static int send_failures(struct link *link, struct group *group)
{
        struct arguments *a = &link->store->arguments;
        struct scheduled_columns rows;
        struct event_columns events;
        struct columns c;

        arguments_reset(a);
        arguments_text(a, link->store->config.owner);
        begin_failures(a, &c);
        scheduled_begin(a, &rows);
        begin_events(a, &events);
        c.excused = arguments_array(a, COLUMN_INT4);
        for (size_t i = 0; i < group->count; i++) {
                const struct failure *f = group->calls[i]->what;

                add_failure(&c, f);
                add_event(&events, f);
                if (f->again)
                        scheduled_add(&rows, group->calls[i]->key, f->again, f->id);
        }
        return link_send(link, group, &statement_fail);
}

const struct verb verb_fail = {
        .lane = LANE_FAIL,
        .link = LINK_COMMITS,
        .most = GROUP_CALLS_MAX,
        .id = failure_id,
        .size = failure_size,
        .send = send_failures,
        .answer = answer_done,
        .refuse = refuse_done,
};

/* ---- give back ---- */

static const char *release_id(const struct call *call)
{
        return ((const struct release_lease *)call->what)->id;
}

static size_t release_size(const struct call *call)
{
        return scheduled_size(((const struct release_lease *)call->what)->again);
}

static int send_releases(struct link *link, struct group *group)
{
        struct arguments *a = &link->store->arguments;
        struct scheduled_columns rows;
        struct column *id;
        int64_t first = INT64_MAX;
        int rc;

        arguments_reset(a);
        arguments_text(a, link->store->config.owner);
        id = arguments_array(a, COLUMN_TEXT);
        scheduled_begin(a, &rows);
        for (size_t i = 0; i < group->count; i++) {
                const struct release_lease *r = group->calls[i]->what;

                column_text(id, r->id);
                if (!r->again)
                        continue;
                scheduled_add(&rows, group->calls[i]->key, r->again, r->id);
                if (r->again->due_ms < first)
                        first = r->again->due_ms;
        }
        rc = link_send(link, group, &statement_give_back);
        return rc == 0 && first != INT64_MAX ? scheduled_notify(link, group, first) : rc;
}

const struct verb verb_give_back = {
        .lane = LANE_GIVE_BACK,
        .link = LINK_COMMITS,
        .most = GROUP_CALLS_MAX,
        .id = release_id,
        .size = release_size,
        .send = send_releases,
        .answer = answer_done,
        .refuse = refuse_done,
};
