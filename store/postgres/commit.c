/* SPDX-License-Identifier: Apache-2.0 */
/* commit: result, document, events and row writes of finished tasks, one statement and one transaction a group.
 *
 * A task counts once: the upsert passes over what has succeeded before, and everything else hangs on the rows that it
 * returns. Conditions of the form `case when x in (select …) then true else false end` keep the planner from turning them
 * into joins: they are looked up in a hash whatever it believes about the sizes.
 *
 * Grants come first, with the tasks' rows locked: `do nothing` leaves what somebody owns already, then a task with a grant
 * that is not its own is stale, and what it did get is taken back. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#define TRIES_MAX 5 /* of a commit that was passed over though nothing seems to stand in its way */

#define TASKS                                                                                                    \
        "unnest($1::text[], $2::text[], $3::text[], $4::int8[], $5::text[], $6::json[], $7::text[], $8::text[]," \
        " $9::int4[], $10::int4[], $11::int8[], $12::int4[], $13::json[], $14::int4[], $15::json[], $16::text[])"

#define TASK_COLUMNS \
        "id, root_id, name, job, pipeline, result, provider, model, tokens_in, tokens_out, cost, elapsed, chain, replaced, sends, part"

#define INSERT                                                                                                            \
        " insert into chard.task as t (id, root_id, name, state, starts, result, provider, model, tokens_in, tokens_out," \
        "  cost_nano, elapsed_ms, started_at, finished_at, replaced, sends, chord_part)"                                  \
        " select id, root_id, name, case when result is null then 'PENDING' else 'SUCCESS' end,"                          \
        "  case when result is null then 0 else 1 end, result, provider, model, tokens_in, tokens_out, cost, elapsed,"    \
        "  now(), case when result is null then null else now() end, replaced, sends, part"

#define ON_CONFLICT                                                                                                                              \
        " on conflict (id) do update set state = excluded.state, result = excluded.result, error = null,"                                        \
        "  provider = excluded.provider, model = excluded.model, tokens_in = t.tokens_in + excluded.tokens_in,"                                  \
        "  tokens_out = t.tokens_out + excluded.tokens_out, cost_nano = t.cost_nano + excluded.cost_nano,"                                       \
        "  elapsed_ms = excluded.elapsed_ms, finished_at = excluded.finished_at, lease_owner = null, lease_until = null,"                        \
        "  starts = case when excluded.result is null then 0 else t.starts end,"                                                                 \
        "  attempts = case when excluded.result is null then 0 else t.attempts end,"                                                             \
        "  replaced = excluded.replaced, sends = excluded.sends, chord_part = excluded.chord_part"                                               \
        " where t.state not in ('SUCCESS', 'REVOKED') and excluded.replaced >= t.replaced + case when excluded.result is null then 1 else 0 end" \
        " returning t.id"

/* Its last branch has. */
#define ENDS "j.state in ('PENDING', 'STARTED', 'RETRY') and j.branches + excluded.branches <= 1"

/* Results alone, without jobs, events and row writes. */
const struct statement statement_commit_results = { "chard_commit_results",
                                                    INSERT " from " TASKS " as i (" TASK_COLUMNS ")" ON_CONFLICT };

const struct statement statement_commit = {
        "chard_commit",
        "with i as materialized (select * from " TASKS " with ordinality as i (" TASK_COLUMNS ", n)),"
        " stale as ("
        "  select g.task_id from unnest($17::text[], $18::text[], $19::text[]) as g (task_id, user_id, code)"
        "  where (select c.task_id from chard.character_owned c where c.user_id = g.user_id and c.code = g.code)"
        "   is distinct from g.task_id),"
        " done as (" INSERT
        " from i where case when i.id in (select task_id from stale) then false else true end" ON_CONFLICT "),"
        " e as materialized ("
        "  select gen_random_uuid() as id, v.* from unnest($20::text[], $21::text[], $22::text[], $23::text[], $24::text[],"
        "   $25::jsonb[], $26::text[]) with ordinality as v (task_id, root_id, aggregate_type, aggregate_id, type, payload, trace, n)"
        "  where case when v.task_id in (select id from done) then true else false end),"
        " recorded as ("
        "  insert into chard.event (id, aggregate_type, aggregate_id, type, root_id, task_id, payload, version)"
        "  select id, aggregate_type, aggregate_id, type, root_id, task_id, payload,"
        "   coalesce((select max(p.version) from chard.event p"
        "    where p.aggregate_id = e.aggregate_id and p.aggregate_type = e.aggregate_type), 0)"
        "   + row_number() over (partition by aggregate_type, aggregate_id order by n)"
        "  from e),"
        " sent as ("
        "  insert into chard.outbox (id, aggregatetype, aggregateid, type, payload, tracingspancontext)"
        "  select id, aggregate_type, aggregate_id, type, payload, 'traceparent=' || trace from e order by n),"
        " jobs as ("
        "  insert into chard.job as j (root_id, pipeline, state, document, finished_at, chain, last_task, branches)"
        "  select distinct on (root_id collate \"C\") root_id, pipeline, case when more < 0 then 'SUCCESS' else 'STARTED' end,"
        "   result::text::jsonb, case when more < 0 then now() end, chain, id, 1 + more"
        "  from (select i.*, (sum(job) over (partition by root_id))::int4 as more from i"
        "   where job is not null and case when i.id in (select id from done) then true else false end) i"
        "  order by root_id collate \"C\", result is null, job, n desc"
        "  on conflict (root_id) do update set document = coalesce(excluded.document, j.document), updated_at = now(),"
        "   chain = case when excluded.document is null then j.chain else excluded.chain end,"
        "   last_task = case when excluded.document is null then j.last_task else excluded.last_task end,"
        "   branches = greatest(j.branches + excluded.branches - 1, 0),"
        "   state = case when " ENDS " then 'SUCCESS' else j.state end,"
        "   error = case when j.state in ('FAILURE', 'REVOKED') then j.error end,"
        "   finished_at = case when " ENDS " then now() else j.finished_at end),"
        " fields as ("
        "  insert into chard.profile as p (user_id, fields)"
        "  select w.user_id, jsonb_object_agg(w.key, w.value order by w.n)"
        "  from unnest($27::text[], $28::text[], $29::text[], $30::jsonb[]) with ordinality as w (task_id, user_id, key, value, n)"
        "  where case when w.task_id in (select id from done) then true else false end"
        "  group by w.user_id order by w.user_id collate \"C\""
        "  on conflict (user_id) do update set fields = p.fields || excluded.fields, updated_at = now())"
        " select id from done"
};

const struct statement statement_lock = { "chard_lock",
                                          "select from chard.task where id = any ($1::text[]) order by id for update" };

const struct statement statement_grant = {
        "chard_grant",
        "insert into chard.character_owned (task_id, user_id, code)"
        " select task_id, user_id, code from unnest($1::text[], $2::text[], $3::text[]) as g (task_id, user_id, code)"
        " where (select t.state from chard.task t where t.id = g.task_id) is distinct from 'SUCCESS'"
        " order by user_id collate \"C\", code collate \"C\" on conflict (user_id, code) do nothing"
};

const struct statement statement_ungrant = {
        "chard_ungrant", "delete from chard.character_owned where ctid = any (array("
                         " select (select c.ctid from chard.character_owned c"
                         "   where c.user_id = g.user_id and c.code = g.code and c.task_id = g.task_id)"
                         " from unnest($1::text[], $2::text[], $3::text[]) as g (task_id, user_id, code)"
                         " where (select t.state from chard.task t where t.id = g.task_id) is distinct from 'SUCCESS'))"
};

const struct statement statement_resolve = { "chard_resolve",
                                             "select id, case when state = 'SUCCESS' then result end from chard.task"
                                             " where id = any ($1::text[]) and state = 'SUCCESS' order by id" };

static const char *commit_id(const struct call *call)
{
        return ((const struct commit *)call->what)->id;
}

static size_t commit_size(const struct call *call)
{
        return ((const struct commit *)call->what)->result.size + 512;
}

/* ---- sending ---- */

struct columns {
        struct column *id, *root, *name, *job, *pipeline, *result, *provider, *model, *tokens_in, *tokens_out, *cost,
                *elapsed, *chain, *replaced, *sends, *part;
        struct column *grant_task, *grant_user, *grant_code;
        struct column *event_task, *event_root, *aggregate_type, *aggregate_id, *type, *payload, *trace;
        struct column *field_task, *field_user, *field_key, *field_value;
};

static void begin_tasks(struct arguments *a, struct columns *c)
{
        c->id = arguments_array(a, COLUMN_TEXT);
        c->root = arguments_array(a, COLUMN_TEXT);
        c->name = arguments_array(a, COLUMN_TEXT);
        c->job = arguments_array(a, COLUMN_INT8);
        c->pipeline = arguments_array(a, COLUMN_TEXT);
        c->result = arguments_array(a, COLUMN_JSON);
        c->provider = arguments_array(a, COLUMN_TEXT);
        c->model = arguments_array(a, COLUMN_TEXT);
        c->tokens_in = arguments_array(a, COLUMN_INT4);
        c->tokens_out = arguments_array(a, COLUMN_INT4);
        c->cost = arguments_array(a, COLUMN_INT8);
        c->elapsed = arguments_array(a, COLUMN_INT4);
        c->chain = arguments_array(a, COLUMN_JSON);
        c->replaced = arguments_array(a, COLUMN_INT4);
        c->sends = arguments_array(a, COLUMN_JSON);
        c->part = arguments_array(a, COLUMN_TEXT);
}

static void begin_grants(struct arguments *a, struct columns *c)
{
        c->grant_task = arguments_array(a, COLUMN_TEXT);
        c->grant_user = arguments_array(a, COLUMN_TEXT);
        c->grant_code = arguments_array(a, COLUMN_TEXT);
}

static void begin_others(struct arguments *a, struct columns *c)
{
        c->event_task = arguments_array(a, COLUMN_TEXT);
        c->event_root = arguments_array(a, COLUMN_TEXT);
        c->aggregate_type = arguments_array(a, COLUMN_TEXT);
        c->aggregate_id = arguments_array(a, COLUMN_TEXT);
        c->type = arguments_array(a, COLUMN_TEXT);
        c->payload = arguments_array(a, COLUMN_JSONB);
        c->trace = arguments_array(a, COLUMN_TEXT);
        c->field_task = arguments_array(a, COLUMN_TEXT);
        c->field_user = arguments_array(a, COLUMN_TEXT);
        c->field_key = arguments_array(a, COLUMN_TEXT);
        c->field_value = arguments_array(a, COLUMN_JSONB);
}

static void add_task(struct columns *c, const struct commit *commit)
{
        column_text(c->id, commit->id);
        column_text(c->root, commit->root_id);
        column_text(c->name, commit->name ? commit->name : "");
        if (commit->has_job)
                column_int8(c->job, (int64_t)commit->branches - 1);
        else
                column_null(c->job);
        column_text(c->pipeline, commit->pipeline ? commit->pipeline : "");
        if (commit->result.size)
                column_bytes(c->result, commit->result);
        else
                column_text(c->result, NULL);
        column_text(c->provider, commit->provider);
        column_text(c->model, commit->model);
        column_int4(c->tokens_in, commit->tokens_in);
        column_int4(c->tokens_out, commit->tokens_out);
        column_int8(c->cost, commit->cost_nano);
        column_int4(c->elapsed, commit->elapsed_ms);
        column_json_text(c->chain, commit->chain);
        column_int4(c->replaced, commit->nesting + (commit->result.size ? 0 : 1));
        column_json_text(c->sends, commit->sends);
        column_text(c->part, commit->result.size ? commit->chord_part : NULL);
}

static void add_grants(struct columns *c, const struct commit *commit)
{
        const struct row_write *w = commit->outcome ? commit->outcome->writes : NULL;

        for (; w; w = w->next) {
                if (w->kind != ROW_CHARACTER_GRANT)
                        continue;
                column_text(c->grant_task, commit->id);
                column_text(c->grant_user, w->user_id);
                column_text(c->grant_code, w->key);
        }
}

static void add_fields(struct columns *c, const struct commit *commit)
{
        const struct row_write *w = commit->outcome ? commit->outcome->writes : NULL;

        for (; w; w = w->next) {
                if (w->kind != ROW_PROFILE_FIELD)
                        continue;
                column_text(c->field_task, commit->id);
                column_text(c->field_user, w->user_id);
                column_text(c->field_key, w->key);
                column_json(c->field_value, w->value);
        }
}

static void add_events(struct columns *c, const struct commit *commit)
{
        const struct event *e = commit->outcome ? commit->outcome->events : NULL;

        for (; e; e = e->next) {
                column_text(c->event_task, commit->id);
                column_text(c->event_root, commit->root_id);
                column_text(c->aggregate_type, e->aggregate_type);
                column_text(c->aggregate_id, e->aggregate_id);
                column_text(c->type, e->type);
                column_json(c->payload, e->payload);
                column_text(c->trace, commit->traceparent);
        }
}

/* A statement that takes the grants alone. */
static int send_grants(struct link *link, struct group *group, const struct statement *statement)
{
        struct arguments *a = &link->store->arguments;
        struct columns c;

        arguments_reset(a);
        begin_grants(a, &c);
        for (size_t i = 0; i < group->count; i++)
                add_grants(&c, group->calls[i]->what);
        if (statement == &statement_lock)
                a->count = 1; /* the tasks' ids */
        return link_send(link, group, statement);
}

static int send_all(struct link *link, struct group *group)
{
        struct arguments *a = &link->store->arguments;
        struct columns c;
        bool plain = true;
        unsigned tasks;

        arguments_reset(a);
        begin_tasks(a, &c);
        tasks = a->count;
        begin_grants(a, &c);
        begin_others(a, &c);
        for (size_t i = 0; i < group->count; i++) {
                const struct commit *commit = group->calls[i]->what;

                add_task(&c, commit);
                add_grants(&c, commit);
                add_events(&c, commit);
                add_fields(&c, commit);
                plain = plain && !commit->has_job;
        }
        plain = plain && c.grant_task->count + c.event_task->count + c.field_task->count == 0;
        if (plain)
                a->count = tasks;
        return link_send(link, group, plain ? &statement_commit_results : &statement_commit);
}

static bool has_grants(const struct commit *commit)
{
        const struct row_write *w = commit->outcome ? commit->outcome->writes : NULL;

        while (w && w->kind != ROW_CHARACTER_GRANT)
                w = w->next;
        return w != NULL;
}

static int send_commits(struct link *link, struct group *group)
{
        bool grants = false;
        int rc = 0;

        for (size_t i = 0; i < group->count && !grants; i++)
                grants = has_grants(group->calls[i]->what);
        if (grants)
                rc = send_grants(link, group, &statement_lock);
        if (grants && rc == 0)
                rc = send_grants(link, group, &statement_grant);
        if (rc == 0)
                rc = send_all(link, group);
        if (grants && rc == 0)
                rc = send_grants(link, group, &statement_ungrant);
        return rc;
}

/* ---- answering ---- */

/* Both the group and the rows are sorted by id; rows may be missing. */
static bool has_row(const PGresult *r, int *row, const char *id)
{
        if (*row >= PQntuples(r) || strcmp(field_text(r, *row, 0), id) != 0)
                return false;
        ++*row;
        return true;
}

static void answer_commits(struct link *link, struct group *group)
{
        const PGresult *r = group->results[group->got > 1 ? 2 : 0];
        int row = 0;

        for (size_t i = 0; i < group->count; i++) {
                struct call *call = group_take(group, i);

                if (!call)
                        continue;
                if (has_row(r, &row, commit_id(call)))
                        call_done(link->store, call, STORE_DONE, bytes_of(NULL, 0));
                else
                        call_again(link->store, &verb_resolve, call);
        }
}

const struct verb verb_commit = {
        .lane = LANE_COMMIT,
        .link = LINK_COMMITS,
        .most = GROUP_CALLS_MAX,
        .id = commit_id,
        .size = commit_size,
        .send = send_commits,
        .answer = answer_commits,
        .refuse = refuse_done,
};

/* ---- what was passed over ---- */

static int send_resolve(struct link *link, struct group *group)
{
        struct arguments *a = &link->store->arguments;
        struct column *id;

        arguments_reset(a);
        id = arguments_array(a, COLUMN_TEXT);
        for (size_t i = 0; i < group->count; i++)
                column_text(id, commit_id(group->calls[i]));
        return link_send(link, group, &statement_resolve);
}

static const PGresult *find(const PGresult *r, const char *id, int *found)
{
        for (*found = 0; *found < PQntuples(r); ++*found) {
                if (strcmp(field_text(r, *found, 0), id) == 0)
                        return r;
        }
        return NULL;
}

static void answer_resolved(struct link *link, struct group *group)
{
        for (size_t i = 0; i < group->count; i++) {
                struct call *call = group_take(group, i);
                int row;

                if (!call)
                        continue;
                if (find(group->results[0], commit_id(call), &row))
                        call_done(link->store, call, STORE_ALREADY, field_bytes(group->results[0], row, 1));
                else if (has_grants(call->what) || call->passed++ >= TRIES_MAX)
                        call_done(link->store, call, STORE_STALE, bytes_of(NULL, 0));
                else
                        call_again(link->store, &verb_commit, call);
        }
}

const struct verb verb_resolve = {
        .lane = LANE_RESOLVE,
        .link = LINK_COMMITS,
        .most = GROUP_CALLS_MAX,
        .id = commit_id,
        .send = send_resolve,
        .answer = answer_resolved,
        .refuse = refuse_done,
};
