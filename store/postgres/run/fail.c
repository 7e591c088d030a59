/* SPDX-License-Identifier: Apache-2.0 */
/* fail and give_back: attempts that ended without a result. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#include "core/json.h"

/* ---- fail ---- */

static const char *failure_id(const struct pg_call *call)
{
        return ((const struct failure *)call->what)->id;
}

static size_t scheduled_size(const struct scheduled *row)
{
        return row ? row->message->properties.size + row->message->body.size + 512 : 512;
}

static size_t failure_size(const struct pg_call *call)
{
        return scheduled_size(((const struct failure *)call->what)->again);
}

struct fail_columns {
        struct column *id, *root, *parent, *name, *state, *attempts, *error, *tokens_in, *tokens_out, *cost, *pipeline,
                *part, *excused;
};

struct event_columns {
        struct column *task, *aggregate, *type, *payload, *trace;
};

static void begin_events(struct pg_arguments *a, struct event_columns *c)
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
        column_text(c->trace, f->span_context);
}

static void begin_failures(struct pg_arguments *a, struct fail_columns *c)
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

static void fail_add_failure(struct fail_columns *c, const struct failure *f)
{
        JSON_OWNED json_t *error = failure_error(f);

        column_text(c->id, f->id);
        column_text(c->root, f->root_id);
        column_text(c->parent, f->parent_id);
        column_text(c->name, f->name ? f->name : "");
        column_text(c->state, f->again ? "RETRY" : "FAILURE");
        column_int4(c->attempts, f->attempts);
        column_json(c->error, error);
        if (!error)
                c->error->bytes.failed = true; /* out of memory */
        column_int4(c->tokens_in, f->tokens_in);
        column_int4(c->tokens_out, f->tokens_out);
        column_int8(c->cost, f->cost_nano);
        column_text(c->pipeline, f->pipeline);
        column_text(c->part, f->again ? NULL : f->chord_part);
        column_int4(c->excused, f->again && f->excused);
}

static int send_failures(struct pg_link *link, struct pg_group *group)
{
        struct pg_arguments *a = &link->store->arguments;
        struct scheduled_columns rows;
        struct event_columns events;
        struct fail_columns c;

        arguments_reset(a);
        arguments_text(a, link->store->config.owner);
        begin_failures(a, &c);
        scheduled_begin(a, &rows);
        begin_events(a, &events);
        c.excused = arguments_array(a, COLUMN_INT4);
        for (size_t i = 0; i < group->count; i++) {
                const struct failure *f = group->calls[i]->what;

                fail_add_failure(&c, f);
                add_event(&events, f);
                if (f->again)
                        scheduled_add(&rows, group->calls[i]->key, f->again, f->id);
        }
        return pg_link_send(link, group, &pg_sql_fail);
}

const struct pg_verb verb_fail = {
        .lane = LANE_FAIL,
        .link = PG_LINK_COMMITS,
        .most = GROUP_CALLS_MAX,
        .id = failure_id,
        .size = failure_size,
        .send = send_failures,
        .answer = answer_done,
        .refuse = refuse_done,
};

/* ---- give back ---- */

static const char *release_id(const struct pg_call *call)
{
        return ((const struct release_lease *)call->what)->id;
}

static size_t release_size(const struct pg_call *call)
{
        return scheduled_size(((const struct release_lease *)call->what)->again);
}

static int send_releases(struct pg_link *link, struct pg_group *group)
{
        struct pg_arguments *a = &link->store->arguments;
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
        rc = pg_link_send(link, group, &pg_sql_give_back);
        return rc == 0 && first != INT64_MAX ? scheduled_notify(link, group, first) : rc;
}

const struct pg_verb verb_give_back = {
        .lane = LANE_GIVE_BACK,
        .link = PG_LINK_COMMITS,
        .most = GROUP_CALLS_MAX,
        .id = release_id,
        .size = release_size,
        .send = send_releases,
        .answer = answer_done,
        .refuse = refuse_done,
};
