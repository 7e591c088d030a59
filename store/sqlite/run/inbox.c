/* SPDX-License-Identifier: Apache-2.0 */
/* inbox: the effects of an event, once. */
#include "store/sqlite/run/inbox.h"

#include <stdlib.h>

/* ---- one event's effects ---- */

bool lite_inbox_fill(struct lite_inbox_entry *e, const struct inbox_item *item, const char *id)
{
        *e = (struct lite_inbox_entry){ .item = item,
                                        .effects = { .writer = id,
                                                     .root_id = item->root_id ? item->root_id : "",
                                                     .span_context = item->span_context,
                                                     .outcome = item->outcome } };
        return effects_fill(&e->effects);
}

void lite_inbox_clear(struct lite_inbox_entry *e)
{
        effects_free(&e->effects);
}

int lite_inbox_look(const struct lite_inbox_entry *e, sqlite3 *db, enum store_result *result)
{
        struct query q = query_of(db, &lite_sql_inbox_look);
        bool stale = false;
        int rc;

        query_text(&q, e->item->consumer);
        query_text(&q, e->item->event_id);
        *result = query_row(&q) ? STORE_ALREADY : STORE_DONE;
        rc = query_end(&q);
        if (rc == SQLITE_OK && *result == STORE_DONE)
                rc = effects_look(&e->effects, db, &stale);
        if (stale)
                *result = STORE_STALE;
        return rc;
}

int lite_inbox_write(const struct lite_inbox_entry *e, struct lite_call *call, const unsigned char key[KEY_SIZE],
                     sqlite3 *db, int64_t now_us)
{
        const struct inbox_item *item = e->item;
        struct query q = query_of(db, &lite_sql_inbox);
        unsigned char part[KEY_SIZE];
        int rc;

        query_text(&q, item->consumer);
        query_text(&q, item->event_id);
        query_number(&q, now_us);
        rc = query_run(&q);
        if (rc == SQLITE_OK)
                rc = effects_write(&e->effects, db, now_us);
        for (size_t i = 0; rc == SQLITE_OK && i < item->message_count; i++) {
                store_key_part(key, i, part);
                rc = lite_put_keyed(call, db, part, &item->messages[i]);
        }
        return rc;
}

/* ---- a single item ---- */

struct lite_inbox_call {
        struct lite_call call;
        struct lite_inbox_entry entry;
        char id[]; /* CONSUMER/EVENT */
};

static int inbox_run(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_inbox_call *c = (struct lite_inbox_call *)work;
        int rc;

        c->call.scheduled_id = 0;
        rc = lite_inbox_look(&c->entry, db, &c->call.result);
        if (rc == SQLITE_OK && c->call.result == STORE_DONE)
                rc = lite_inbox_write(&c->entry, &c->call, c->call.key, db, lite_now_us());
        return rc;
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
        lite_inbox_clear(&((struct lite_inbox_call *)call)->entry);
}

void lite_inbox_apply(struct store *s, const struct inbox_item *item, store_done *done, void *arg)
{
        struct lite_inbox_call *c =
                lite_call_new(lite_of(s), sizeof(*c) + inbox_id_size(item), (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_stored(done, arg);
                return;
        }
        c->call.clear = inbox_clear;
        inbox_id_write(c->id, item);
        if (lite_inbox_fill(&c->entry, item, c->id)) {
                lite_call_start(&c->call, &inbox_verb);
                return;
        }
        lite_call_free(&c->call);
        lite_refuse_stored(done, arg);
}
