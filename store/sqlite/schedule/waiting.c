/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduled messages as an operator sees them: listed, and dropped. */
#include "store/sqlite/lite.h"

#include <stdlib.h>

struct waiting_call {
        struct lite_call call; /* its text: the answer */
        char which[];          /* JSON text */
};

static int waiting_rows(struct waiting_call *c, sqlite3 *db, const struct statement *sql)
{
        struct query q = query_of(db, sql);

        query_text(&q, c->which);
        query_number(&q, lite_now_us());
        return lite_answer(&c->call.text, &q);
}

static int waiting_list(struct sqlite_work *work, sqlite3 *db)
{
        return waiting_rows((struct waiting_call *)work, db, &lite_sql_scheduled_list);
}

static int waiting_drop(struct sqlite_work *work, sqlite3 *db)
{
        struct waiting_call *c = (struct waiting_call *)work;
        const int rc = waiting_rows(c, db, &lite_sql_scheduled_drop), dropped = sqlite3_changes(db);
        struct query q;

        if (rc != SQLITE_OK || c->call.text.size == strlen("[]"))
                return rc;
        q = query_of(db, &lite_sql_scheduled_audit);
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
