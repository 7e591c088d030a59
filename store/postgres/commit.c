/* SPDX-License-Identifier: Apache-2.0 */
/* commit: result, document, events and facts of finished tasks, one statement and one transaction a group.
 *
 * A task counts once: the upsert passes over what has succeeded before, and everything else hangs on the rows that it
 * returns. Conditions of the form `case when x in (select …) then true else false end` keep the planner from turning them
 * into joins: they are looked up in a hash whatever it believes about the sizes.
 *
 * Facts that are written once come first, with the tasks' rows locked: `do nothing` leaves what somebody wrote already, then a task whose fact is
 * not its own is stale, and what it did write is taken back. */
#include "store/postgres/effects.h"
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

/* The same everywhere, so that two commits that write the same facts wait for one another instead of locking each other out. */
#define FACT_ORDER "kind collate \"C\", owner collate \"C\", key collate \"C\""

/* Of a task whose result, or whose replacement, is not there yet. */
#define UNFINISHED                                                     \
        " not exists (select from chard.task t where t.id = g.task_id" \
        "  and (t.state = 'SUCCESS' or t.replaced > g.nesting))"

/* Results alone, without jobs, events and facts. */
const struct statement statement_commit_results = { "chard_commit_results",
                                                    INSERT " from " TASKS " as i (" TASK_COLUMNS ")" ON_CONFLICT };

const struct statement statement_commit = {
        "chard_commit",
        "with i as materialized (select * from " TASKS " with ordinality as i (" TASK_COLUMNS ", n)),"
        " stale as ("
        "  select g.task_id from unnest($17::text[], $18::text[], $19::text[], $20::text[]) as g (task_id, kind, owner, key)"
        "  where (select f.task_id from chard.fact f where f.kind = g.kind and f.owner = g.owner and f.key = g.key)"
        "   is distinct from g.task_id),"
        " done as (" INSERT
        " from i where case when i.id in (select task_id from stale) then false else true end" ON_CONFLICT "),"
        " e as materialized ("
        "  select gen_random_uuid() as id, v.* from unnest($21::text[], $22::text[], $23::text[], $24::text[], $25::text[],"
        "   $26::jsonb[], $27::text[]) with ordinality as v (task_id, root_id, aggregate_type, aggregate_id, type, payload, trace, n)"
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
        " merged as ("
        "  insert into chard.fact as f (once, kind, owner, key, task_id, value)"
        "  select distinct on (" FACT_ORDER ") false, kind, owner, key, task_id, value"
        "  from unnest($28::text[], $29::text[], $30::text[], $31::text[], $32::jsonb[]) with ordinality"
        "   as w (task_id, kind, owner, key, value, n)"
        "  where case when w.task_id in (select id from done) then true else false end"
        "  order by " FACT_ORDER ", n desc"
        "  on conflict (kind, owner, key) do update set value = excluded.value, task_id = excluded.task_id, at = now()"
        "  where not f.once)"
        " select id from done"
};

const struct statement statement_lock = { "chard_lock",
                                          "select from chard.task where id = any ($1::text[]) order by id for update" };

const struct statement statement_once = {
        "chard_once",
        "insert into chard.fact (once, task_id, kind, owner, key, value)"
        " select true, task_id, kind, owner, key, value"
        " from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int4[], $6::jsonb[]) with ordinality"
        "  as g (task_id, kind, owner, key, nesting, value, n)"
        " where" UNFINISHED " order by " FACT_ORDER ", n on conflict (kind, owner, key) do nothing"
};

const struct statement statement_undo_once = {
        "chard_undo_once",
        "delete from chard.fact where ctid = any (array("
        " select (select f.ctid from chard.fact f"
        "   where f.kind = g.kind and f.owner = g.owner and f.key = g.key and f.task_id = g.task_id)"
        " from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int4[]) as g (task_id, kind, owner, key, nesting)"
        " where" UNFINISHED "))"
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

static struct effects effects_of(const struct commit *commit)
{
        return (struct effects){ commit->id, commit->root_id, commit->traceparent, commit->outcome };
}

/* How many of their parameters the statements take that are about facts written once. */
enum { LOCK_TAKES = 1, ONCE_TAKES = 6, UNDO_TAKES = 5 };

/* A statement that takes the facts that are written once alone. */
static int send_once(struct link *link, struct group *group, const struct statement *statement, unsigned takes)
{
        struct arguments *a = &link->store->arguments;
        struct effect_columns c;
        struct column *nesting, *value;

        arguments_reset(a);
        effects_begin_once(a, &c);
        nesting = arguments_array(a, COLUMN_INT4);
        value = arguments_array(a, COLUMN_JSONB);
        for (size_t i = 0; i < group->count; i++) {
                const struct commit *commit = group->calls[i]->what;
                const struct effects e = effects_of(commit);

                effects_add_once(&c, &e);
                for (const struct fact *f = effects_once(&e, NULL); f; f = effects_once(&e, f)) {
                        column_int4(nesting, commit->nesting);
                        column_json(value, f->value);
                }
        }
        a->count = takes;
        return link_send(link, group, statement);
}

static int send_all(struct link *link, struct group *group)
{
        struct arguments *a = &link->store->arguments;
        struct effect_columns effects;
        struct columns c;
        bool plain = true;
        unsigned tasks;

        arguments_reset(a);
        begin_tasks(a, &c);
        tasks = a->count;
        effects_begin_once(a, &effects);
        effects_begin(a, &effects);
        for (size_t i = 0; i < group->count; i++) {
                const struct commit *commit = group->calls[i]->what;

                const struct effects e = effects_of(commit);

                add_task(&c, commit);
                effects_add_once(&effects, &e);
                effects_add(&effects, &e);
                plain = plain && !commit->has_job;
        }
        plain = plain && effects_none(&effects);
        if (plain)
                a->count = tasks;
        return link_send(link, group, plain ? &statement_commit_results : &statement_commit);
}

static bool writes_once(const struct commit *commit)
{
        const struct effects e = effects_of(commit);

        return effects_once(&e, NULL) != NULL;
}

static int send_commits(struct link *link, struct group *group)
{
        bool once = false;
        int rc = 0;

        for (size_t i = 0; i < group->count && !once; i++)
                once = writes_once(group->calls[i]->what);
        if (once)
                rc = send_once(link, group, &statement_lock, LOCK_TAKES);
        if (once && rc == 0)
                rc = send_once(link, group, &statement_once, ONCE_TAKES);
        if (rc == 0)
                rc = send_all(link, group);
        if (once && rc == 0)
                rc = send_once(link, group, &statement_undo_once, UNDO_TAKES);
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
                else if (writes_once(call->what) || call->passed++ >= TRIES_MAX)
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
