/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/run/effects.h"

#include <string.h>

static const struct fact *lite_effects_facts(const struct lite_effects *e)
{
        return e->outcome ? e->outcome->facts : NULL;
}

bool effects_fill(struct lite_effects *e)
{
        for (const struct event *event = e->outcome ? e->outcome->events : NULL; event; event = event->next)
                lite_add_json(&e->payloads, event->payload);
        for (const struct fact *f = lite_effects_facts(e); f; f = f->next)
                lite_add_json(&e->values, f->value);
        return !e->payloads.failed && !e->values.failed;
}

void effects_free(struct lite_effects *e)
{
        buffer_free(&e->payloads);
        buffer_free(&e->values);
}

int effects_look(const struct lite_effects *e, sqlite3 *db, bool *stale)
{
        int rc = SQLITE_OK;

        for (const struct fact *f = lite_effects_facts(e); f && rc == SQLITE_OK; f = f->next) {
                struct query q;

                if (f->mode != FACT_ONCE)
                        continue;
                q = query_of(db, &lite_sql_fact_writer);
                query_text(&q, f->kind);
                query_text(&q, f->owner);
                query_text(&q, f->key);
                if (query_row(&q) && strcmp(query_read_text(&q, 0), e->writer) != 0)
                        *stale = true;
                rc = query_end(&q);
        }
        return rc;
}

static int effects_write_events(const struct lite_effects *e, sqlite3 *db, int64_t now_us)
{
        const char *payload = (const char *)e->payloads.data;
        int rc = SQLITE_OK;

        for (const struct event *event = e->outcome ? e->outcome->events : NULL; event && rc == SQLITE_OK;
             event = event->next) {
                rc = lite_put_event(db,
                                    &(struct lite_event){ .aggregate_type = event->aggregate_type,
                                                          .aggregate_id = event->aggregate_id,
                                                          .type = event->type,
                                                          .root_id = e->root_id,
                                                          .task_id = e->writer,
                                                          .payload = payload,
                                                          .span_context = e->span_context },
                                    now_us);
                payload += strlen(payload) + 1;
        }
        return rc;
}

static int effects_write_fact(const struct lite_effects *e, sqlite3 *db, const struct fact *f, const char *value,
                              int64_t now_us)
{
        struct query q = query_of(db, f->mode == FACT_ONCE ? &lite_sql_fact_once : &lite_sql_fact_merge);

        query_text(&q, f->kind);
        query_text(&q, f->owner);
        query_text(&q, f->key);
        query_number(&q, now_us);
        query_text(&q, e->writer);
        query_text(&q, value);
        return query_run(&q);
}

int effects_write(const struct lite_effects *e, sqlite3 *db, int64_t now_us)
{
        const char *value = (const char *)e->values.data;
        int rc = effects_write_events(e, db, now_us);

        for (const struct fact *f = lite_effects_facts(e); f && rc == SQLITE_OK; f = f->next) {
                rc = effects_write_fact(e, db, f, value, now_us);
                value += strlen(value) + 1;
        }
        return rc;
}
