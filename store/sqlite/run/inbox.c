/* SPDX-License-Identifier: Apache-2.0 */
/* inbox: the effects of an event, once. */
#include "store/sqlite/run/effects.h"

#include <stdio.h>
#include <stdlib.h>

struct lite_inbox_call {
        struct lite_call call;
        const struct inbox_item *item;
        struct lite_effects effects;
        char id[]; /* CONSUMER/EVENT */
};

/* Was it acted on before, or is it stale? */
static int inbox_look(struct lite_inbox_call *c, sqlite3 *db)
{
        struct query q = query_of(db, &lite_sql_inbox_look);
        bool stale = false;
        int rc;

        query_text(&q, c->item->consumer);
        query_text(&q, c->item->event_id);
        c->call.result = query_row(&q) ? STORE_ALREADY : STORE_DONE;
        rc = query_end(&q);
        if (rc == SQLITE_OK && c->call.result == STORE_DONE)
                rc = effects_look(&c->effects, db, &stale);
        if (stale)
                c->call.result = STORE_STALE;
        return rc;
}

static int inbox_write(struct lite_inbox_call *c, sqlite3 *db)
{
        const struct inbox_item *item = c->item;
        const int64_t now_us = lite_now_us();
        struct query q = query_of(db, &lite_sql_inbox);
        unsigned char key[KEY_SIZE];
        int rc;

        query_text(&q, item->consumer);
        query_text(&q, item->event_id);
        query_number(&q, now_us);
        rc = query_run(&q);
        if (rc == SQLITE_OK)
                rc = effects_write(&c->effects, db, now_us);
        for (size_t i = 0; rc == SQLITE_OK && i < item->message_count; i++) {
                store_key_part(c->call.key, i, key);
                rc = lite_put_keyed(&c->call, db, key, &item->messages[i]);
        }
        return rc;
}

static int inbox_run(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_inbox_call *c = (struct lite_inbox_call *)work;
        int rc;

        c->call.scheduled_id = 0;
        rc = inbox_look(c, db);
        return rc == SQLITE_OK && c->call.result == STORE_DONE ? inbox_write(c, db) : rc;
}

static const char *inbox_about(const struct sqlite_work *work)
{
        return ((const struct lite_inbox_call *)work)->id;
}

static const struct sqlite_verb inbox_verb = {
        .run = inbox_run, .done = lite_stored, .name = "inbox", .about = inbox_about
};

static void inbox_clear(struct lite_call *call)
{
        effects_free(&((struct lite_inbox_call *)call)->effects);
}

void lite_inbox_apply(struct store *s, const struct inbox_item *item, store_done *done, void *arg)
{
        const size_t size = strlen(item->consumer) + strlen(item->event_id) + 2;
        struct lite_inbox_call *c = lite_call_new(lite_of(s), sizeof(*c) + size, (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_stored(done, arg);
                return;
        }
        c->item = item;
        c->call.clear = inbox_clear;
        snprintf(c->id, size, "%s/%s", item->consumer, item->event_id);
        c->effects = (struct lite_effects){ .writer = c->id,
                                            .root_id = item->root_id ? item->root_id : "",
                                            .traceparent = item->traceparent,
                                            .outcome = item->outcome };
        if (effects_fill(&c->effects)) {
                lite_call_start(&c->call, &inbox_verb);
                return;
        }
        lite_call_free(&c->call);
        lite_refuse_stored(done, arg);
}
