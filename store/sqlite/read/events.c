/* SPDX-License-Identifier: Apache-2.0 */
/* Writing an event, and reading the outbox in order. A position is a row's number: they are given in the order of the
 * commits. */
#include "store/sqlite/lite.h"

#include "core/id.h"

#include <stdlib.h>

struct lite_events_call {
        struct lite_call call; /* its text: the answer */
        int64_t since;
        unsigned limit;
        const struct statement *statement;
};

int lite_put_event(sqlite3 *db, const struct lite_event *e, int64_t now_us)
{
        struct query q = query_of(db, &lite_sql_event_add);
        char id[ID_TEXT_SIZE];
        int rc;

        id_new(id);
        query_text(&q, id);
        query_text(&q, e->aggregate_type);
        query_text(&q, e->aggregate_id);
        query_text(&q, e->type);
        query_text(&q, e->root_id);
        query_text(&q, e->task_id);
        query_number(&q, now_us);
        query_text(&q, e->payload);
        rc = query_run(&q);
        if (rc != SQLITE_OK)
                return rc;
        q = query_of(db, &lite_sql_outbox_add);
        query_text(&q, id);
        query_text(&q, e->aggregate_type);
        query_text(&q, e->aggregate_id);
        query_text(&q, e->type);
        query_number(&q, now_us);
        query_text(&q, e->payload);
        query_text(&q, e->span_context);
        return query_run(&q);
}

static int lite_run_events(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_events_call *c = (struct lite_events_call *)work;
        struct query q = query_of(db, c->statement);

        query_number(&q, c->since);
        query_number(&q, c->limit);
        return lite_answer(&c->call.text, &q);
}

static const struct sqlite_verb verb = { .run = lite_run_events, .done = lite_read, .reads = true };

/* "" stands before everything. */
static int lite_events_read_position(const char *text, int64_t *position, struct problem *why)
{
        size_t digits = strspn(text, "0123456789");

        if (text[digits] != '\0' || digits > 18)
                return problem_set(
                        why, "store", "bad_position",
                        "\"%.60s\" is no position of an event: give one as `chard events` prints it, like 742", text);
        *position = *text ? strtoll(text, NULL, 10) : 0;
        return 0;
}

static void lite_events_start(struct store *s, const char *since, unsigned limit, const struct statement *statement,
                              json_done *done, void *arg)
{
        struct lite_events_call *c;
        struct problem why;
        int64_t position = 0;

        if (lite_events_read_position(since ? since : "", &position, &why)) {
                done(NULL, &why, arg);
                return;
        }
        c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);
        if (!c) {
                lite_refuse_read(done, arg);
                return;
        }
        c->since = position;
        c->limit = limit;
        c->statement = statement;
        lite_call_start(&c->call, &verb);
}

void lite_events(struct store *s, const char *since, unsigned limit, json_done *done, void *arg)
{
        lite_events_start(s, since, limit, &lite_sql_events, done, arg);
}

void lite_consumer_page(struct store *s, const char *since, unsigned limit, json_done *done, void *arg)
{
        lite_events_start(s, since, limit, &lite_sql_events_text, done, arg);
}
