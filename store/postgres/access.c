/* SPDX-License-Identifier: Apache-2.0 */
/* What was asked already by those who give their requests keys, and who may ask. */
#include "store/postgres/statements.h"
#include "store/postgres/texts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ONCE_MOST = 200 }; /* keys in a transaction */

/* ---- begin ---- */

static const char *once_ask_key(const struct pg_call *call)
{
        return ((const struct once_ask *)call->what)->key;
}

static int send_once_begin(struct pg_link *link, struct pg_group *group)
{
        struct pg_arguments *a = &link->store->arguments;

        arguments_reset(a);
        struct column *key = arguments_array(a, COLUMN_TEXT), *fingerprint = arguments_array(a, COLUMN_TEXT);
        struct column *job_id = arguments_array(a, COLUMN_TEXT), *token = arguments_array(a, COLUMN_TEXT);
        struct column *lease = arguments_array(a, COLUMN_INT8);
        for (size_t i = 0; i < group->count; i++) {
                const struct once_ask *ask = group->calls[i]->what;

                column_text(key, ask->key);
                column_text(fingerprint, ask->fingerprint);
                column_text(job_id, ask->job_id);
                column_text(token, ask->token);
                column_int8(lease, ask->lease_ms);
        }
        return pg_link_send(link, group, &pg_sql_once_begin);
}

const struct pg_verb verb_once_begin = {
        .lane = LANE_ONCE_BEGIN,
        .link = PG_LINK_COMMITS,
        .most = ONCE_MOST,
        .id = once_ask_key,
        .send = send_once_begin,
        .answer = answer_each,
        .refuse = refuse_json,
};

void pg_once_begin(struct store *s, const struct once_ask *ask, json_done *done, void *arg)
{
        struct once_ask *call = malloc(sizeof(*call));

        if (!call) {
                call_refuse(&verb_once_begin, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        *call = *ask;
        call_add(pg_of(s), &verb_once_begin, call, call, (void (*)(void))done, arg);
}

/* ---- settle ---- */

static const char *once_end_key(const struct pg_call *call)
{
        return ((const struct once_end *)call->what)->key;
}

static int send_once_settle(struct pg_link *link, struct pg_group *group)
{
        struct pg_arguments *a = &link->store->arguments;

        arguments_reset(a);
        struct column *key = arguments_array(a, COLUMN_TEXT), *job_id = arguments_array(a, COLUMN_TEXT);
        struct column *token = arguments_array(a, COLUMN_TEXT), *done = arguments_array(a, COLUMN_INT4);
        for (size_t i = 0; i < group->count; i++) {
                const struct once_end *end = group->calls[i]->what;

                column_text(key, end->key);
                column_text(job_id, end->job_id);
                column_text(token, end->token);
                column_int4(done, end->done);
        }
        return pg_link_send(link, group, &pg_sql_once_settle);
}

const struct pg_verb verb_once_settle = {
        .lane = LANE_ONCE_SETTLE,
        .link = PG_LINK_COMMITS,
        .most = ONCE_MOST,
        .id = once_end_key,
        .send = send_once_settle,
        .answer = answer_done,
        .refuse = refuse_done,
};

void pg_once_settle(struct store *s, const struct once_end *end, store_done *done, void *arg)
{
        struct once_end *call = malloc(sizeof(*call));

        if (!call) {
                call_refuse(&verb_once_settle, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        *call = *end;
        call_add(pg_of(s), &verb_once_settle, call, call, (void (*)(void))done, arg);
}

/* ---- who may ask ---- */

const struct pg_verb verb_keys = {
        .lane = LANE_KEYS,
        .link = PG_LINK_COMMITS,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_texts,
        .answer = answer_rows,
        .refuse = refuse_json,
};

void pg_key_add(struct store *s, const struct access_key *key, json_done *done, void *arg)
{
        char rate[16];
        const char *const texts[] = { key->id, key->name, key->digest, key->scopes, rate };

        snprintf(rate, sizeof(rate), "%u", key->rate);
        texts_call_add(s, &verb_keys, &pg_sql_key_add, texts, 5, done, arg);
}

void pg_key_list(struct store *s, json_done *done, void *arg)
{
        texts_call_add(s, &verb_keys, &pg_sql_key_list, NULL, 0, done, arg);
}

void pg_key_revoke(struct store *s, const char *which, json_done *done, void *arg)
{
        texts_call_add(s, &verb_keys, &pg_sql_key_revoke, &which, 1, done, arg);
}
