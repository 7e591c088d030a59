/* SPDX-License-Identifier: Apache-2.0 */
/* commit: result, document, events and facts of finished tasks, one statement and one transaction a group.
 *
 * A task counts once: the update of its row passes over what has succeeded before, and everything else hangs on the rows that it
 * returns. What it passes over is asked for (resolve); a row that is not there, because a crash of the server took its claim along, is inserted the second time. Conditions of the form `case when x in (select …) then true else false end` keep the planner from turning them
 * into joins: they are looked up in a hash whatever it believes about the sizes.
 *
 * Facts that are written once come first, with the tasks' rows locked: `do nothing` leaves what somebody wrote already, then a task whose fact is
 * not its own is stale, and what it did write is taken back. */
#include "store/postgres/run/effects.h"
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#define TRIES_MAX 5 /* of a commit that was passed over though nothing seems to stand in its way */

/* Columns of `resolve`. */
enum { RESOLVED_ID, RESOLVED_DONE, RESOLVED_RESULT };

static const char *commit_id(const struct pg_call *call)
{
        return ((const struct commit *)call->what)->id;
}

static size_t commit_size(const struct pg_call *call)
{
        return ((const struct commit *)call->what)->result.size + 512;
}

/* ---- sending ---- */

struct commit_columns {
        struct column *id, *root, *name, *job, *pipeline, *result, *provider, *model, *tokens_in, *tokens_out, *cost,
                *elapsed, *chain, *replaced, *sends, *part;
};

static void begin_tasks(struct pg_arguments *a, struct commit_columns *c)
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

static void commit_add_task(struct commit_columns *c, const struct commit *commit)
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

static struct pg_effects effects_of(const struct commit *commit)
{
        return (struct pg_effects){ commit->id, commit->root_id, commit->span_context, commit->outcome };
}

/* How many of their parameters the statements take that are about facts written once. */
enum { LOCK_TAKES = 1, ONCE_TAKES = 6, UNDO_TAKES = 5 };

/* A statement that takes the facts that are written once alone. */
static int send_once(struct pg_link *link, struct pg_group *group, const struct statement *statement, unsigned takes)
{
        struct pg_arguments *a = &link->store->arguments;
        struct effect_columns c;
        struct column *nesting, *value;

        arguments_reset(a);
        effects_begin_once(a, &c);
        nesting = arguments_array(a, COLUMN_INT4);
        value = arguments_array(a, COLUMN_JSONB);
        for (size_t i = 0; i < group->count; i++) {
                const struct commit *commit = group->calls[i]->what;
                const struct pg_effects e = effects_of(commit);

                effects_add_once(&c, &e);
                for (const struct fact *f = effects_once(&e, NULL); f; f = effects_once(&e, f)) {
                        column_int4(nesting, commit->nesting);
                        column_json(value, f->value);
                }
        }
        a->count = takes;
        return pg_link_send(link, group, statement);
}

static int commit_by_root(const void *a, const void *b)
{
        const struct pg_call *const *one = a, *const *other = b;

        return strcmp(((const struct commit *)(*one)->what)->root_id, ((const struct commit *)(*other)->what)->root_id);
}

/* Whether no two are of one job. Without memory to find out, they may be. */
static bool commit_jobs_differ(const struct pg_group *group)
{
        const struct pg_call **sorted = calloc(group->count, sizeof(struct pg_call *));
        bool differ = sorted != NULL;

        if (!sorted)
                return false;
        memcpy(sorted, group->calls, group->count * sizeof(struct pg_call *));
        qsort(sorted, group->count, sizeof(struct pg_call *), commit_by_root);
        for (size_t i = 1; i < group->count && differ; i++)
                differ = commit_by_root(&sorted[i - 1], &sorted[i]) != 0;
        free(sorted);
        return differ;
}

static int commit_send_all(struct pg_link *link, struct pg_group *group)
{
        struct pg_arguments *a = &link->store->arguments;
        const struct statement *statement = &pg_sql_commit_results;
        struct effect_columns effects;
        struct commit_columns c;
        bool lost = false;
        unsigned tasks;

        arguments_reset(a);
        begin_tasks(a, &c);
        tasks = a->count;
        effects_begin_once(a, &effects);
        effects_begin(a, &effects);
        for (size_t i = 0; i < group->count; i++) {
                const struct commit *commit = group->calls[i]->what;
                const struct pg_effects e = effects_of(commit);

                commit_add_task(&c, commit);
                effects_add_once(&effects, &e);
                effects_add(&effects, &e);
                if (commit->has_job)
                        statement = &pg_sql_commit_jobs;
                lost = lost || group->calls[i]->passed > 0;
        }
        if (lost)
                statement = &pg_sql_commit_lost;
        else if (!effects_none(&effects) || (statement == &pg_sql_commit_jobs && !commit_jobs_differ(group)))
                statement = &pg_sql_commit;
        else
                a->count = tasks;
        return pg_link_send(link, group, statement);
}

static bool writes_once(const struct commit *commit)
{
        const struct pg_effects e = effects_of(commit);

        return effects_once(&e, NULL) != NULL;
}

static int send_commits(struct pg_link *link, struct pg_group *group)
{
        bool once = false;
        int rc = 0;

        for (size_t i = 0; i < group->count && !once; i++)
                once = writes_once(group->calls[i]->what);
        if (once)
                rc = send_once(link, group, &pg_sql_lock, LOCK_TAKES);
        if (once && rc == 0)
                rc = send_once(link, group, &pg_sql_once, ONCE_TAKES);
        if (rc == 0)
                rc = commit_send_all(link, group);
        if (once && rc == 0)
                rc = send_once(link, group, &pg_sql_undo_once, UNDO_TAKES);
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

static void answer_commits(struct pg_link *link, struct pg_group *group)
{
        const PGresult *r = group->results[group->got > 1 ? 2 : 0];
        int row = 0;

        for (size_t i = 0; i < group->count; i++) {
                struct pg_call *call = group_take(group, i);

                if (!call)
                        continue;
                if (has_row(r, &row, commit_id(call)))
                        call_done(link->store, call, STORE_DONE, bytes_of(NULL, 0));
                else
                        call_again(link->store, &verb_resolve, call);
        }
}

const struct pg_verb verb_commit = {
        .lane = LANE_COMMIT,
        .link = PG_LINK_COMMITS,
        .most = GROUP_CALLS_MAX,
        .id = commit_id,
        .size = commit_size,
        .send = send_commits,
        .answer = answer_commits,
        .refuse = refuse_done,
};

/* ---- what was passed over ---- */

static int send_resolve(struct pg_link *link, struct pg_group *group)
{
        struct pg_arguments *a = &link->store->arguments;
        struct column *id;

        arguments_reset(a);
        id = arguments_array(a, COLUMN_TEXT);
        for (size_t i = 0; i < group->count; i++)
                column_text(id, commit_id(group->calls[i]));
        return pg_link_send(link, group, &pg_sql_resolve);
}

static bool commit_find(const PGresult *r, const char *id, int *found)
{
        for (*found = 0; *found < PQntuples(r); ++*found) {
                if (strcmp(field_text(r, *found, RESOLVED_ID), id) == 0)
                        return true;
        }
        return false;
}

static void answer_resolved(struct pg_link *link, struct pg_group *group)
{
        for (size_t i = 0; i < group->count; i++) {
                struct pg_call *call = group_take(group, i);
                const PGresult *r = group->results[0];
                int row;

                if (!call)
                        continue;
                const bool there = commit_find(r, commit_id(call), &row);

                if (there && field_bool(r, row, RESOLVED_DONE))
                        call_done(link->store, call, STORE_ALREADY, field_bytes(r, row, RESOLVED_RESULT));
                else if ((there && call->passed > 0 && writes_once(call->what)) || call->passed++ >= TRIES_MAX)
                        call_done(link->store, call, STORE_STALE, bytes_of(NULL, 0));
                else
                        call_again(link->store, &verb_commit, call); /* where there is no row, its claim was lost */
        }
}

const struct pg_verb verb_resolve = {
        .lane = LANE_RESOLVE,
        .link = PG_LINK_COMMITS,
        .most = GROUP_CALLS_MAX,
        .id = commit_id,
        .send = send_resolve,
        .answer = answer_resolved,
        .refuse = refuse_done,
};
