/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a job and a worker, and a worker's heartbeat. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#include "core/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pg_read_call {
        const struct statement *statement;
        char key[];
};

static int send_read(struct pg_link *link, struct pg_group *group)
{
        const struct pg_read_call *call = group->calls[0]->what;

        arguments_reset(&link->store->arguments);
        arguments_text(&link->store->arguments, call->key);
        return pg_link_send(link, group, call->statement);
}

const struct pg_verb verb_read = {
        .lane = LANE_READ,
        .link = PG_LINK_CLAIMS,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_read,
        .answer = answer_rows,
        .refuse = refuse_json,
};

static void read_add(struct store *s, const struct statement *statement, const char *key, json_done *done, void *arg)
{
        size_t size = strlen(key) + 1;
        struct pg_read_call *call = malloc(sizeof(*call) + size);

        if (!call) {
                call_refuse(&verb_read, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        call->statement = statement;
        memcpy(call->key, key, size);
        call_add(pg_of(s), &verb_read, call, call, (void (*)(void))done, arg);
}

void pg_job(struct store *s, const char *root_id, json_done *done, void *arg)
{
        read_add(s, &pg_sql_job, root_id, done, arg);
}

void pg_worker(struct store *s, const char *name, json_done *done, void *arg)
{
        read_add(s, &pg_sql_worker, name, done, arg);
}

void pg_chord_parts(struct store *s, const char *group_id, json_done *done, void *arg)
{
        read_add(s, &pg_sql_chord_parts, group_id, done, arg);
}

void pg_workers(struct store *s, json_done *done, void *arg)
{
        read_add(s, &pg_sql_workers, "", done, arg);
}

void pg_upcoming(struct store *s, json_done *done, void *arg)
{
        read_add(s, &pg_sql_upcoming, "", done, arg);
}

/* A question whose answer is lost is asked again, and finds fewer. */
void pg_forget_workers(struct store *s, uint64_t silent_ms, json_done *done, void *arg)
{
        char text[24];

        snprintf(text, sizeof(text), "%llu", (unsigned long long)silent_ms);
        read_add(s, &pg_sql_forget_workers, text, done, arg);
}

void pg_seal_days(struct store *s, const char *since, json_done *done, void *arg)
{
        read_add(s, &pg_sql_seal_days, since, done, arg);
}

void pg_seal_day(struct store *s, const char *day, json_done *done, void *arg)
{
        read_add(s, &pg_sql_seal_day, day, done, arg);
}

void pg_seal_make(struct store *s, const char *day, json_done *done, void *arg)
{
        read_add(s, &pg_sql_seal_make, day, done, arg);
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
