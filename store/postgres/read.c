/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a job and a worker, and a worker's heartbeat. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#include "core/json.h"

#include <stdlib.h>
#include <string.h>

/* Tasks and events of a job are found through the partial indexes, but for the one task that has the job's id and the
 * events about the job itself, which the primary keys find. A task without a job row is a job of one. */
const struct statement statement_job = {
        "chard_job",
        "with tasks as materialized ("
        "  select * from chard.task where id = $1 union all"
        "  select * from chard.task where root_id = $1 and root_id <> id),"
        " events as materialized ("
        "  select * from chard.event where aggregate_id = $1 and root_id = $1 union all"
        "  select * from chard.event where root_id = $1 and root_id <> aggregate_id),"
        " job as ("
        "  select pipeline, state, document, error, created_at, finished_at from chard.job where root_id = $1 union all"
        "  select '', state, null, error, created_at, finished_at from tasks"
        "  where id = $1 and not exists (select from chard.job where root_id = $1))"
        " select json_build_object('id', $1, 'pipeline', pipeline, 'state', state, 'document', document, 'error', error,"
        "  'created_at', created_at, 'finished_at', finished_at,"
        "  'tasks', coalesce((select json_agg(json_build_object('id', id, 'parent_id', parent_id, 'name', name, 'state', state,"
        "    'attempts', attempts, 'starts', starts, 'provider', provider, 'model', model, 'tokens_in', tokens_in,"
        "    'tokens_out', tokens_out, 'cost_usd', round(cost_nano / 1e9, 9), 'elapsed_ms', elapsed_ms, 'error', error,"
        "    'created_at', created_at, 'started_at', started_at, 'finished_at', finished_at)"
        "    order by created_at, id) from tasks), '[]'),"
        "  'events', coalesce((select json_agg(json_build_object('id', id, 'aggregate_type', aggregate_type,"
        "    'aggregate_id', aggregate_id, 'type', type, 'version', version, 'payload', payload, 'created_at', created_at)"
        "    order by created_at, aggregate_type, aggregate_id, version) from events), '[]'))::text"
        " from job"
};

const struct statement statement_worker = {
        "chard_worker",
        "select json_build_object('name', name, 'state', state, 'started_at', started_at, 'beat_at', beat_at,"
        "  'age_ms', greatest(0, (extract(epoch from clock_timestamp() - beat_at) * 1000)::int8))::text"
        " from chard.worker where name = $1"
};

const struct statement statement_workers = {
        "chard_workers",
        "select coalesce(json_agg(json_build_object('name', name, 'state', state, 'started_at', started_at, 'beat_at', beat_at,"
        "  'age_ms', greatest(0, (extract(epoch from clock_timestamp() - beat_at) * 1000)::int8)) order by name), '[]')::text"
        " from chard.worker where $1::text is not null"
};

const struct statement statement_upcoming = {
        "chard_upcoming",
        "select coalesce(json_agg(json_build_object('due_ms', (extract(epoch from due_at) * 1000)::int8, 'exchange', exchange,"
        "  'routing_key', routing_key, 'properties', encode(properties, 'hex'), 'body', encode(body, 'hex')) order by due_at),"
        "  '[]')::text"
        " from (select * from chard.scheduled where task_id is not null and octet_length(body) <= 65536 and $1::text is not null"
        "  order by due_at limit 100) as next"
};

const struct statement statement_beat = {
        "chard_beat", "with gone as (delete from chard.worker where beat_at < now() - interval '1 day' and name <> $1)"
                      " insert into chard.worker (name, state) values ($1::text, $2::jsonb)"
                      " on conflict (name) do update set state = excluded.state, beat_at = now()"
};

/* What begins alike may be another group's, whose id holds a colon: whoever reads it looks. */
const struct statement statement_chord_parts = {
        "chard_chord_parts",
        "select coalesce(json_agg(json_build_object('id', id, 'part', chord_part, 'state', state, 'result', result::text, 'error', error)),"
        "  '[]')::text"
        " from chard.task where chord_part >= $1 || ':' and chord_part < $1 || ';' and state in ('SUCCESS', 'FAILURE')"
};

struct read_call {
        const struct statement *statement;
        char key[];
};

static int send_read(struct link *link, struct group *group)
{
        const struct read_call *call = group->calls[0]->what;

        arguments_reset(&link->store->arguments);
        arguments_text(&link->store->arguments, call->key);
        return link_send(link, group, call->statement);
}

void answer_json_row(struct link *link, struct group *group, size_t row)
{
        struct call *call = group_take(group, row);
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

void answer_json(struct link *link, struct group *group)
{
        answer_json_row(link, group, 0);
}

void refuse_json(struct call *call, enum store_result result, const struct problem *why)
{
        (void)result;
        ((json_done *)call->done)(NULL, why, call->arg);
}

const struct verb verb_read = {
        .lane = LANE_READ,
        .link = LINK_CLAIMS,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_read,
        .answer = answer_json,
        .refuse = refuse_json,
};

static void read_add(struct store *s, const struct statement *statement, const char *key, json_done *done, void *arg)
{
        size_t size = strlen(key) + 1;
        struct read_call *call = malloc(sizeof(*call) + size);
        struct problem why;

        if (!call) {
                problem_set(&why, "store", "out_of_memory", "out of memory");
                done(NULL, &why, arg);
                return;
        }
        call->statement = statement;
        memcpy(call->key, key, size);
        call_add(pg_of(s), &verb_read, call, call, (void (*)(void))done, arg);
}

void pg_job(struct store *s, const char *root_id, json_done *done, void *arg)
{
        read_add(s, &statement_job, root_id, done, arg);
}

void pg_worker(struct store *s, const char *name, json_done *done, void *arg)
{
        read_add(s, &statement_worker, name, done, arg);
}

void pg_chord_parts(struct store *s, const char *group_id, json_done *done, void *arg)
{
        read_add(s, &statement_chord_parts, group_id, done, arg);
}

void pg_workers(struct store *s, json_done *done, void *arg)
{
        read_add(s, &statement_workers, "", done, arg);
}

void pg_upcoming(struct store *s, json_done *done, void *arg)
{
        read_add(s, &statement_upcoming, "", done, arg);
}

/* ---- beat ---- */

static int send_beat(struct link *link, struct group *group)
{
        const char *state = group->calls[0]->what;
        struct arguments *a = &link->store->arguments;

        arguments_reset(a);
        arguments_text(a, link->store->config.owner);
        arguments_jsonb(a, bytes_of_string(state ? state : "{}"));
        return link_send(link, group, &statement_beat);
}

const struct verb verb_beat = {
        .lane = LANE_BEAT,
        .link = LINK_CLAIMS,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_beat,
        .answer = answer_done,
        .refuse = refuse_done,
};

void pg_beat(struct store *s, const json_t *state, store_done *done, void *arg)
{
        char *text = json_dumps(state, JSON_COMPACT | JSON_ENCODE_ANY);
        struct problem why;

        if (!text) {
                problem_set(&why, "store", "out_of_memory", "out of memory");
                done(STORE_STARVED, bytes_of(NULL, 0), &why, arg);
                return;
        }
        call_add(pg_of(s), &verb_beat, text, text, (void (*)(void))done, arg);
        tend_when_due(pg_of(s));
}
