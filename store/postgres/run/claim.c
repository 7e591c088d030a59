/* SPDX-License-Identifier: Apache-2.0 */
/* claim: may this task run now? One upsert a group. Its conflict branch always updates, if only to what was there, because
 * a row that is left alone would not be returned, and one that another transaction has just inserted could not be read
 * by this statement's snapshot either: so every claim gets its verdict. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#include "core/json.h"

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

static const char *claim_id(const struct pg_call *call)
{
        return ((const struct claim *)call->what)->id;
}

/* One row for every set that a claim asks for, in the order of the claims. */
static int send_sees(struct pg_link *link, struct pg_group *group)
{
        struct pg_arguments *a = &link->store->arguments;
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
        return kind->count > 0 ? pg_link_send(link, group, &pg_sql_facts) : 0;
}

static void add_tasks(struct pg_arguments *a, const struct pg_group *group)
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
static bool add_jobs(struct pg_arguments *a, const struct pg_group *group)
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

static int send_claims(struct pg_link *link, struct pg_group *group)
{
        struct pg_arguments *a = &link->store->arguments;
        unsigned without_jobs;
        int rc;

        arguments_reset(a);
        arguments_text(a, link->store->config.owner);
        add_tasks(a, group);
        without_jobs = a->count;
        if (add_jobs(a, group)) {
                rc = pg_link_send(link, group, &pg_sql_claim_jobs);
        } else {
                a->count = without_jobs;
                rc = pg_link_send(link, group, &pg_sql_claim);
        }
        return rc == 0 ? send_sees(link, group) : rc;
}

static enum claim_verdict claim_judge(const PGresult *r, int row, const struct claim *claim)
{
        const struct claim_seen seen = {
                .state = field_text(r, row, CLAIMED_STATE),
                .granted = field_bool(r, row, CLAIMED_GRANTED),
                .attempts = field_number(r, row, CLAIMED_ATTEMPTS),
                .replaced = field_number(r, row, CLAIMED_REPLACED),
        };

        return claim_verdict_of(claim, &seen);
}

static json_t *json_field(const PGresult *r, int row, int column)
{
        json_t *value = NULL;

        if (!field_null(r, row, column)) /* without memory: see answer_claim */
                (void)json_parse(field_bytes(r, row, column), "store", &value, NULL);
        return value;
}

/* The facts that a claim asked for, which begin at `*row` of their result. */
static json_t *pg_claim_facts_of(const struct pg_group *group, const struct claim *claim, int *row)
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

static void answer_claim(struct pg_store *s, const struct pg_group *group, struct pg_call *call, int row, int *fact_row)
{
        const struct claim *claim = call->what;
        claim_done *done = (claim_done *)call->done;
        void *arg = call->arg;
        const PGresult *r = group->results[0];
        const unsigned long lost = json_memory_lost();
        struct claim_reply reply = {
                .verdict = claim_judge(r, row, claim),
                .starts = (unsigned)field_number(r, row, CLAIMED_STARTS),
                .result = field_bytes(r, row, CLAIMED_RESULT),
                .sends = json_field(r, row, CLAIMED_SENDS),
                .error = json_field(r, row, CLAIMED_ERROR),
                .facts = pg_claim_facts_of(group, claim, fact_row),
        };

        if (reply.verdict == CLAIM_LEASED)
                reply.wait_ms = claim_wait_ms(field_number(r, row, CLAIMED_WAIT));
        if (json_whole_since(lost, 0) != 0)
                reply.verdict = CLAIM_STARVED;
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

static void answer_claims(struct pg_link *link, struct pg_group *group)
{
        int fact_row = 0;

        for (size_t i = 0; i < group->count; i++) {
                struct pg_call *call = group_take(group, i);
                int row = call ? row_of(group->results[0], i, claim_id(call)) : -1;

                if (row >= 0)
                        answer_claim(link->store, group, call, row, &fact_row);
                else if (call)
                        call_again(link->store, &verb_claim, call);
        }
}

static void refuse_claim(struct pg_call *call, enum store_result result, const struct problem *why)
{
        struct claim_reply reply = { .verdict = result == STORE_CLOSED    ? CLAIM_CLOSED
                                                : result == STORE_STARVED ? CLAIM_STARVED
                                                                          : CLAIM_REFUSED,
                                     .why = *why };

        ((claim_done *)call->done)(&reply, call->arg);
}

const struct pg_verb verb_claim = {
        .lane = LANE_CLAIM,
        .link = PG_LINK_CLAIMS,
        .most = GROUP_CALLS_MAX,
        .id = claim_id,
        .send = send_claims,
        .answer = answer_claims,
        .refuse = refuse_claim,
};
