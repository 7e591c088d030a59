/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a job and a worker, and a worker's heartbeat. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#include "core/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* `shape`: of the rows of the answer; NULL: it is one JSON text. */
struct pg_read_call {
        const struct statement *statement;
        const struct shape *shape;
        bool list;
        char key[];
};

static int send_read(struct pg_link *link, struct pg_group *group)
{
        const struct pg_read_call *call = group->calls[0]->what;

        arguments_reset(&link->store->arguments);
        arguments_text(&link->store->arguments, call->key);
        return pg_link_send(link, group, call->statement);
}

void answer_json_row(struct pg_link *link, struct pg_group *group, size_t row)
{
        struct pg_call *call = group_take(group, row);
        const PGresult *r = group->results[0];
        struct problem why;
        json_t *value = NULL;
        int rc;

        if (!call)
                return; /* a callback has closed the store */
        rc = PQntuples(r) > (int)row ? json_parse(field_bytes(r, (int)row, 0), "store", &value, &why) : 0;

        json_done *done = (json_done *)call->done;
        void *arg = call->arg;

        call_free(link->store, call);
        done(value, rc != 0 ? &why : NULL, arg);
        json_decref(value);
}

void answer_json(struct pg_link *link, struct pg_group *group)
{
        answer_json_row(link, group, 0);
}

void refuse_json(struct pg_call *call, enum store_result result, const struct problem *why)
{
        (void)result;
        ((json_done *)call->done)(NULL, why, call->arg);
}

static void pg_read_answer(struct pg_link *link, struct pg_group *group)
{
        const struct pg_read_call *call = group->calls[0]->what;

        if (call->shape)
                answer_shape(link, group, call->shape, call->list);
        else
                answer_json(link, group);
}

const struct pg_verb verb_read = {
        .lane = LANE_READ,
        .link = PG_LINK_CLAIMS,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_read,
        .answer = pg_read_answer,
        .refuse = refuse_json,
};

static void read_add(struct store *s, const struct pg_read_call *wanted, const char *key, json_done *done, void *arg)
{
        size_t size = strlen(key) + 1;
        struct pg_read_call *call = malloc(sizeof(*call) + size);

        if (!call) {
                call_refuse(&verb_read, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        *call = *wanted;
        memcpy(call->key, key, size);
        call_add(pg_of(s), &verb_read, call, call, (void (*)(void))done, arg);
}

void pg_job(struct store *s, const char *root_id, json_done *done, void *arg)
{
        read_add(s, &(struct pg_read_call){ &pg_sql_job, NULL, false }, root_id, done, arg);
}

void pg_worker(struct store *s, const char *name, json_done *done, void *arg)
{
        read_add(s, &(struct pg_read_call){ &pg_sql_worker, shape_worker, false }, name, done, arg);
}

void pg_chord_parts(struct store *s, const char *group_id, json_done *done, void *arg)
{
        read_add(s, &(struct pg_read_call){ &pg_sql_chord_parts, shape_chord_part, true }, group_id, done, arg);
}

void pg_workers(struct store *s, json_done *done, void *arg)
{
        read_add(s, &(struct pg_read_call){ &pg_sql_workers, shape_worker, true }, "", done, arg);
}

void pg_upcoming(struct store *s, json_done *done, void *arg)
{
        read_add(s, &(struct pg_read_call){ &pg_sql_upcoming, shape_upcoming, true }, "", done, arg);
}

/* A question whose answer is lost is asked again, and finds fewer. */
void pg_forget_workers(struct store *s, uint64_t silent_ms, json_done *done, void *arg)
{
        char text[24];

        snprintf(text, sizeof(text), "%llu", (unsigned long long)silent_ms);
        read_add(s, &(struct pg_read_call){ &pg_sql_forget_workers, NULL, false }, text, done, arg);
}

void pg_seal_days(struct store *s, const char *since, json_done *done, void *arg)
{
        read_add(s, &(struct pg_read_call){ &pg_sql_seal_days, NULL, false }, since, done, arg);
}

void pg_seal_day(struct store *s, const char *day, json_done *done, void *arg)
{
        read_add(s, &(struct pg_read_call){ &pg_sql_seal_day, NULL, false }, day, done, arg);
}

void pg_seal_make(struct store *s, const char *day, json_done *done, void *arg)
{
        read_add(s, &(struct pg_read_call){ &pg_sql_seal_make, NULL, false }, day, done, arg);
}

/* ---- beat ---- */

static int send_beat(struct pg_link *link, struct pg_group *group)
{
        const char *state = group->calls[0]->what;
        struct pg_arguments *a = &link->store->arguments;

        arguments_reset(a);
        arguments_text(a, link->store->config.owner);
        arguments_jsonb(a, bytes_of_string(state ? state : "{}"));
        return pg_link_send(link, group, &pg_sql_beat);
}

const struct pg_verb verb_beat = {
        .lane = LANE_BEAT,
        .link = PG_LINK_CLAIMS,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_beat,
        .answer = answer_done,
        .refuse = refuse_done,
};

void pg_beat(struct store *s, const json_t *state, store_done *done, void *arg)
{
        char *text = json_dumps(state, JSON_COMPACT | JSON_ENCODE_ANY);

        if (!text) {
                call_refuse(&verb_beat, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        call_add(pg_of(s), &verb_beat, text, text, (void (*)(void))done, arg);
}
