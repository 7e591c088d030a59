/* SPDX-License-Identifier: Apache-2.0 */
/* claim: may this task run now? One upsert a group. Its conflict branch always updates, if only to what was there, because
 * a row that is left alone would not be returned, and one that another transaction has just inserted could not be read
 * by this statement's snapshot either: so every claim gets its verdict. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#include "core/json.h"

/* A fresh row's attempts are the message's retries, so that `excluded.attempts` is what the message says in the conflict branch.
 * A lease taken before the owner's last start is one of an earlier process of that name, and void.
 * A job that was cancelled takes along those of its tasks that nobody knew of yet.
 * `offset 0` keeps the planner from working the verdict out anew for each column. */
#define UPSERT                                                                                                                                               \
        " insert into chard.task as t (id, root_id, parent_id, name, state, starts, finished_at, attempts, lease_owner, lease_until, started_at, replaced)"  \
        " select id, root_id, parent_id, name, case when cancelled then 'REVOKED' else 'STARTED' end,"                                                       \
        "  case when cancelled then 0 else 1 end, case when cancelled then now() end, retries, $1::text, now() + lease_ms * interval '1 ms', now(), nesting" \
        " from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::int4[], $7::int8[], $8::int4[])"                                                   \
        "  as i (id, root_id, parent_id, name, retries, lease_ms, nesting),"                                                                                 \
        " lateral (select case when root_id <> id then (select j.error ->> 'code' from chard.job j"                                                          \
        "  where j.root_id = i.root_id and j.state = 'REVOKED') = 'cancelled' end as cancelled offset 0) as c"                                               \
        " on conflict (id) do update set (state, starts, lease_owner, lease_until, started_at, name, replaced) ="                                            \
        "  (select case when may then 'STARTED' else t.state end,"                                                                                           \
        "          case when may then t.starts + 1 else t.starts end,"                                                                                       \
        "          case when may then excluded.lease_owner else t.lease_owner end,"                                                                          \
        "          case when may then excluded.lease_until else t.lease_until end,"                                                                          \
        "          case when may then now() else t.started_at end,"                                                                                          \
        "          case when t.name = '' or excluded.replaced > 0 and may then excluded.name else t.name end,"                                               \
        "          case when may then excluded.replaced else t.replaced end"                                                                                 \
        "   from (select t.state in ('PENDING', 'STARTED', 'RETRY')"                                                                                         \
        "           and (excluded.replaced, excluded.attempts) >= (t.replaced, t.attempts)"                                                                  \
        "           and (t.state <> 'STARTED' or t.lease_owner is null or t.lease_owner = excluded.lease_owner"                                              \
        "             or t.lease_until <= now() and not exists (select from chard.worker w where w.name = t.lease_owner"                                     \
        "               and w.beat_at > now() - interval '20 s' and w.state -> 'uncommitted' ? t.id)"                                                        \
        "             or exists (select from chard.worker w where w.name = t.lease_owner and w.started_at > t.started_at))"                                  \
        "         as may offset 0) as verdict)"                                                                                                              \
        " returning id, starts, attempts, state, started_at = now() and lease_owner = $1 and state = 'STARTED' as granted,"                                  \
        "  case when state = 'STARTED' and lease_owner <> $1 then (extract(epoch from lease_until - now()) * 1000)::int8 end,"                               \
        "  case when state = 'SUCCESS' then result end,"                                                                                                     \
        "  case when state = 'FAILURE' then error::text end, replaced, sends"

const struct statement statement_claim = { "chard_claim", UPSERT };

/* The job's row is there from its first task on; one that has succeeded goes on when a task comes that nobody here sent: the body of a chord whose
 * header's tasks are jobs of their own, say. One that has failed stays so until somebody requeues it. */
const struct statement statement_claim_jobs = {
        "chard_claim_jobs",
        "with claimed as (" UPSERT "),"
        " wanted as materialized ("
        "  select distinct on (root_id collate \"C\") root_id, pipeline from unnest($9::text[], $10::text[], $11::text[]) as j (id, root_id, pipeline)"
        "  where case when id in (select c.id from claimed c where c.granted) then true else false end order by root_id collate \"C\"),"
        " made as (insert into chard.job (root_id, pipeline) select root_id, pipeline from wanted on conflict (root_id) do nothing),"
        " again as (update chard.job set state = 'STARTED', branches = 1, finished_at = null, updated_at = now()"
        "  where root_id = any (array(select root_id from wanted)) and state = 'SUCCESS')"
        " select * from claimed"
};

const struct statement statement_facts = {
        "chard_facts",
        "select s.kind, s.owner, (select json_object_agg(f.key, f.value) from chard.fact f where f.kind = s.kind and f.owner = s.owner)::text"
        " from unnest($1::text[], $2::text[]) with ordinality as s (kind, owner, n) order by n"
};

enum {
        CLAIMED_ID,
        CLAIMED_STARTS,
        CLAIMED_ATTEMPTS,
        CLAIMED_STATE,
        CLAIMED_GRANTED,
        CLAIMED_WAIT,
        CLAIMED_RESULT,
        CLAIMED_ERROR,
        CLAIMED_REPLACED,
        CLAIMED_SENDS
};

static const char *claim_id(const struct call *call)
{
        return ((const struct claim *)call->what)->id;
}

/* One row for every set that a claim asks for, in the order of the claims. */
static int send_sees(struct link *link, struct group *group)
{
        struct arguments *a = &link->store->arguments;
        struct column *kind, *owner;

        arguments_reset(a);
        kind = arguments_array(a, COLUMN_TEXT);
        owner = arguments_array(a, COLUMN_TEXT);
        for (size_t i = 0; i < group->count; i++) {
                const struct claim *c = group->calls[i]->what;

                for (unsigned s = 0; s < c->see_count; s++) {
                        if (!c->sees[s].owner)
                                continue;
                        column_text(kind, c->sees[s].kind);
                        column_text(owner, c->sees[s].owner);
                }
        }
        return kind->count > 0 ? link_send(link, group, &statement_facts) : 0;
}

static void add_tasks(struct arguments *a, const struct group *group)
{
        struct column *id = arguments_array(a, COLUMN_TEXT), *root = arguments_array(a, COLUMN_TEXT);
        struct column *parent = arguments_array(a, COLUMN_TEXT), *name = arguments_array(a, COLUMN_TEXT);
        struct column *retries = arguments_array(a, COLUMN_INT4), *lease = arguments_array(a, COLUMN_INT8);
        struct column *nesting = arguments_array(a, COLUMN_INT4);

        for (size_t i = 0; i < group->count; i++) {
                const struct claim *c = group->calls[i]->what;

                column_text(id, c->id);
                column_text(root, c->root_id);
                column_text(parent, c->parent_id);
                column_text(name, c->name);
                column_int4(retries, c->retries);
                column_int8(lease, c->lease_ms);
                column_int4(nesting, c->nesting);
        }
}

/* Returns whether there are any. */
static bool add_jobs(struct arguments *a, const struct group *group)
{
        struct column *task = arguments_array(a, COLUMN_TEXT), *root = arguments_array(a, COLUMN_TEXT);
        struct column *pipeline = arguments_array(a, COLUMN_TEXT);

        for (size_t i = 0; i < group->count; i++) {
                const struct claim *c = group->calls[i]->what;

                if (!c->pipeline)
                        continue;
                column_text(task, c->id);
                column_text(root, c->root_id);
                column_text(pipeline, c->pipeline);
        }
        return task->count > 0;
}

static int send_claims(struct link *link, struct group *group)
{
        struct arguments *a = &link->store->arguments;
        unsigned without_jobs;
        int rc;

        arguments_reset(a);
        arguments_text(a, link->store->config.owner);
        add_tasks(a, group);
        without_jobs = a->count;
        if (add_jobs(a, group)) {
                rc = link_send(link, group, &statement_claim_jobs);
        } else {
                a->count = without_jobs;
                rc = link_send(link, group, &statement_claim);
        }
        return rc == 0 ? send_sees(link, group) : rc;
}

/* Whatever became of its replacement since: that is not this message's. */
static bool was_replaced(const PGresult *r, int row, const struct claim *claim)
{
        return claim->nesting < (uint64_t)field_number(r, row, CLAIMED_REPLACED);
}

static enum claim_verdict verdict_of(const PGresult *r, int row, const struct claim *claim)
{
        static const struct {
                const char *state;
                enum claim_verdict verdict;
        } final[] = { { "SUCCESS", CLAIM_DONE }, { "FAILURE", CLAIM_DEAD }, { "REVOKED", CLAIM_REVOKED } };
        const char *state = field_text(r, row, CLAIMED_STATE);

        if (was_replaced(r, row, claim))
                return CLAIM_SUPERSEDED;
        if (field_bool(r, row, CLAIMED_GRANTED))
                return CLAIM_GRANTED;
        for (size_t i = 0; i < sizeof(final) / sizeof(final[0]); i++) {
                if (strcmp(state, final[i].state) == 0)
                        return final[i].verdict;
        }
        return claim->retries < (uint64_t)field_number(r, row, CLAIMED_ATTEMPTS) ? CLAIM_SUPERSEDED : CLAIM_LEASED;
}

static json_t *json_field(const PGresult *r, int row, int column)
{
        json_t *value = NULL;

        if (!field_null(r, row, column))
                (void)json_parse(field_bytes(r, row, column), "store", &value, NULL);
        return value;
}

/* The facts that a claim asked for, which begin at `*row` of their result. */
static json_t *facts_of(const struct group *group, const struct claim *claim, int *row)
{
        const PGresult *r = group->got > 1 ? group->results[1] : NULL;
        json_t *facts = claim->see_count > 0 ? json_object() : NULL;

        for (unsigned s = 0; s < claim->see_count; s++) {
                const struct fact_set *set = &claim->sees[s];
                struct bytes found = { 0 };

                if (!set->owner)
                        continue;
                if (r && *row < PQntuples(r) && strcmp(field_text(r, *row, 0), set->kind) == 0 &&
                    strcmp(field_text(r, *row, 1), set->owner) == 0)
                        found = field_bytes(r, *row, 2);
                ++*row;
                (void)fact_found(facts, set, found);
        }
        return facts;
}

static void answer_claim(struct pg_store *s, const struct group *group, struct call *call, int row, int *fact_row)
{
        const struct claim *claim = call->what;
        claim_done *done = (claim_done *)call->done;
        void *arg = call->arg;
        const PGresult *r = group->results[0];
        int64_t wait = field_number(r, row, CLAIMED_WAIT);
        struct claim_reply reply = {
                .verdict = verdict_of(r, row, claim),
                .starts = (unsigned)field_number(r, row, CLAIMED_STARTS),
                .result = field_bytes(r, row, CLAIMED_RESULT),
                .sends = json_field(r, row, CLAIMED_SENDS),
                .error = json_field(r, row, CLAIMED_ERROR),
                .facts = facts_of(group, claim, fact_row),
        };

        if (reply.verdict == CLAIM_LEASED)
                reply.wait_ms = wait > 0 ? (uint64_t)wait : CLAIM_AGAIN_MS;
        call_free(s, call);
        done(&reply, arg);
        json_decref(reply.sends);
        json_decref(reply.error);
        json_decref(reply.facts);
}

/* Rows come back in the order in which they were sent, ids sorted; if they ever don't, they are found all the same. */
static int row_of(const PGresult *r, size_t guess, const char *id)
{
        int rows = PQntuples(r);

        if ((int)guess < rows && strcmp(field_text(r, (int)guess, CLAIMED_ID), id) == 0)
                return (int)guess;
        for (int row = 0; row < rows; row++) {
                if (strcmp(field_text(r, row, CLAIMED_ID), id) == 0)
                        return row;
        }
        return -1;
}

static void answer_claims(struct link *link, struct group *group)
{
        int fact_row = 0;

        for (size_t i = 0; i < group->count; i++) {
                struct call *call = group_take(group, i);
                int row = call ? row_of(group->results[0], i, claim_id(call)) : -1;

                if (row >= 0)
                        answer_claim(link->store, group, call, row, &fact_row);
                else if (call)
                        call_again(link->store, &verb_claim, call);
        }
}

static void refuse_claim(struct call *call, enum store_result result, const struct problem *why)
{
        struct claim_reply reply = { .verdict = result == STORE_CLOSED    ? CLAIM_CLOSED
                                                : result == STORE_STARVED ? CLAIM_STARVED
                                                                          : CLAIM_REFUSED,
                                     .why = *why };

        ((claim_done *)call->done)(&reply, call->arg);
}

const struct verb verb_claim = {
        .lane = LANE_CLAIM,
        .link = LINK_CLAIMS,
        .most = GROUP_CALLS_MAX,
        .id = claim_id,
        .send = send_claims,
        .answer = answer_claims,
        .refuse = refuse_claim,
};
