/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduled messages as an operator sees them: listed, and dropped. */
#include "store/sqlite/lite.h"

#include <stdlib.h>

struct waiting_call {
        struct lite_call call; /* its text: the answer */
        char which[];          /* JSON text */
};

/* ?1: what the caller picks; ?2: now. */
#define FITS                                                                           \
        " (?1 -> '$.ids' is null or id in (select value from json_each(?1, '$.ids')))" \
        " and (?1 ->> '$.reason' is null or reason = ?1 ->> '$.reason')"               \
        " and (?1 ->> '$.unroutable' is null or returns > 0)"
#define ROW                                                                                      \
        "json_object('id', id, 'task_id', task_id, 'reason', reason, 'exchange', exchange,"      \
        " 'routing_key', routing_key, 'due_ms', due_at / 1000, 'created_ms', created_at / 1000," \
        " 'returns', returns, 'size', length(body))"

static const char waiting_list_sql[] = "select " ROW " from scheduled where" FITS
                                       " and ?2 > 0 order by due_at, id limit coalesce(?1 ->> '$.limit', -1)";

static const char waiting_drop_sql[] =
        "delete from scheduled where" FITS " and (locked_until is null or locked_until <= ?2) returning " ROW;

static const char waiting_audit_sql[] =
        "insert into dead_letter_audit (at, batch, operation, action, who, reason, scope, entries)"
        " values (?2, ?3, ?1 ->> '$.operation', 'drop', ?1 ->> '$.who', ?1 ->> '$.note', ?1 ->> '$.scope', ?4)";

static int waiting_rows(struct waiting_call *c, sqlite3 *db, const char *sql)
{
        struct query q = query_of(db, sql);

        buffer_reset(&c->call.text);
        query_text(&q, c->which);
        query_number(&q, lite_now_us());
        return lite_add_rows(&c->call.text, &q);
}

static int waiting_list(struct sqlite_work *work, sqlite3 *db)
{
        return waiting_rows((struct waiting_call *)work, db, waiting_list_sql);
}

static int waiting_drop(struct sqlite_work *work, sqlite3 *db)
{
        struct waiting_call *c = (struct waiting_call *)work;
        const int rc = waiting_rows(c, db, waiting_drop_sql), dropped = sqlite3_changes(db);
        struct query q;

        if (rc != SQLITE_OK || c->call.text.size == strlen("[]"))
                return rc;
        q = query_of(db, waiting_audit_sql);
        query_text(&q, c->which);
        query_number(&q, lite_now_us());
        query_blob(&q, bytes_of(c->call.key, KEY_SIZE));
        query_number(&q, dropped);
        return query_run(&q);
}

static const struct sqlite_verb waiting_list_verb = { .run = waiting_list, .done = lite_read, .reads = true };
static const struct sqlite_verb waiting_drop_verb = { .run = waiting_drop, .done = lite_read };

static void waiting_start(struct store *s, const struct sqlite_verb *verb, const json_t *which, json_done *done,
                          void *arg)
{
        char *text = json_dumps(which, JSON_COMPACT);
        const size_t size = text ? strlen(text) + 1 : 0;
        struct waiting_call *c = text ? lite_call_new(lite_of(s), sizeof(*c) + size, (void (*)(void))done, arg) : NULL;

        if (c)
                memcpy(c->which, text, size);
        free(text);
        if (c)
                lite_call_start(&c->call, verb);
        else
                lite_refuse_read(done, arg);
}

void lite_scheduled_list(struct store *s, const json_t *which, json_done *done, void *arg)
{
        waiting_start(s, &waiting_list_verb, which, done, arg);
}

void lite_scheduled_drop(struct store *s, const json_t *which, json_done *done, void *arg)
{
        waiting_start(s, &waiting_drop_verb, which, done, arg);
}
