/* SPDX-License-Identifier: Apache-2.0 */
/* inbox: the effects of events, once. Few processes do this: nothing is prepared for it. */
#include "store/postgres/run/inbox.h"

#include "store/postgres/postgres.h"
#include "store/postgres/run/effects.h"
#include "store/postgres/statements.h"

#include <stdlib.h>
#include <string.h>

struct pg_inbox_call {
        const struct inbox_item *item;
        uint64_t serial; /* in the order of the calls */
        char id[];       /* CONSUMER/EVENT */
};

static const struct pg_inbox_call *inbox_of(const struct pg_call *call)
{
        return call->what;
}

static const char *inbox_id(const struct pg_call *call)
{
        return inbox_of(call)->id;
}

static size_t inbox_size(const struct pg_call *call)
{
        const struct inbox_item *item = inbox_of(call)->item;
        size_t size = 512;

        for (size_t i = 0; i < item->message_count; i++)
                size += item->messages[i].message->properties.size + item->messages[i].message->body.size + 256;
        return size;
}

static struct pg_effects inbox_effects(const struct inbox_entry *e)
{
        return (struct pg_effects){ e->id, e->item->root_id ? e->item->root_id : "", e->item->span_context,
                                    e->item->outcome };
}

bool inbox_batch_once(const struct pg_inbox_batch *batch)
{
        for (size_t i = 0; i < batch->count; i++) {
                const struct pg_effects e = inbox_effects(&batch->entries[i]);

                if (effects_once(&e, NULL))
                        return true;
        }
        return false;
}

/* A statement that takes the facts that are written once alone, and so many of their parameters. */
enum { INBOX_ONCE_TAKES = 7, INBOX_UNDO_TAKES = 6 };

static int inbox_send_once(struct pg_link *link, struct pg_group *group, const struct pg_inbox_batch *batch,
                           const struct statement *statement, unsigned takes)
{
        struct pg_arguments *a = &link->store->arguments;
        struct effect_columns c;
        struct column *consumer, *event, *value;

        arguments_reset(a);
        effects_begin_once(a, &c);
        consumer = arguments_array(a, COLUMN_TEXT);
        event = arguments_array(a, COLUMN_TEXT);
        value = arguments_array(a, COLUMN_JSONB);
        for (size_t i = 0; i < batch->count; i++) {
                const struct inbox_item *item = batch->entries[i].item;
                const struct pg_effects e = inbox_effects(&batch->entries[i]);

                effects_add_once(&c, &e);
                for (const struct fact *f = effects_once(&e, NULL); f; f = effects_once(&e, f)) {
                        column_text(consumer, item->consumer);
                        column_text(event, item->event_id);
                        column_json(value, f->value);
                }
        }
        a->count = takes;
        return pg_link_send_once(link, group, statement);
}

static int64_t inbox_add_effects(struct pg_arguments *a, const struct pg_inbox_batch *batch)
{
        struct effect_columns effects;
        struct scheduled_columns rows;
        int64_t first = INT64_MAX;

        effects_begin_once(a, &effects);
        effects_begin(a, &effects);
        scheduled_begin(a, &rows);
        for (size_t i = 0; i < batch->count; i++) {
                const struct inbox_entry *entry = &batch->entries[i];
                const struct pg_effects e = inbox_effects(entry);
                unsigned char key[KEY_SIZE];

                effects_add_once(&effects, &e);
                effects_add(&effects, &e);
                for (size_t m = 0; m < entry->item->message_count; m++) {
                        store_key_part(entry->key, m, key);
                        scheduled_add(&rows, key, &entry->item->messages[m], entry->id);
                        if (entry->item->messages[m].due_ms < first)
                                first = entry->item->messages[m].due_ms;
                }
        }
        return first;
}

static int inbox_send_all(struct pg_link *link, struct pg_group *group, const struct pg_inbox_batch *batch)
{
        struct pg_arguments *a = &link->store->arguments;
        struct column *consumer, *event;
        int64_t first;
        int rc;

        arguments_reset(a);
        consumer = arguments_array(a, COLUMN_TEXT);
        event = arguments_array(a, COLUMN_TEXT);
        for (size_t i = 0; i < batch->count; i++) {
                column_text(consumer, batch->entries[i].item->consumer);
                column_text(event, batch->entries[i].item->event_id);
        }
        first = inbox_add_effects(a, batch);
        rc = pg_link_send_once(link, group, &pg_sql_inbox);
        return rc == 0 && first != INT64_MAX ? scheduled_notify(link, group, first) : rc;
}

int inbox_send_batch(struct pg_link *link, struct pg_group *group, const struct pg_inbox_batch *batch)
{
        const bool once = inbox_batch_once(batch);
        int rc = once ? inbox_send_once(link, group, batch, &pg_sql_inbox_once, INBOX_ONCE_TAKES) : 0;

        if (rc == 0)
                rc = inbox_send_all(link, group, batch);
        return rc == 0 && once ? inbox_send_once(link, group, batch, &pg_sql_inbox_undo_once, INBOX_UNDO_TAKES) : rc;
}

static int inbox_by_serial(const void *a, const void *b)
{
        const uint64_t one = inbox_of(*(struct pg_call *const *)a)->serial,
                       two = inbox_of(*(struct pg_call *const *)b)->serial;

        return one < two ? -1 : one > two;
}

/* In the order of the calls: the group is in that of its ids. */
static void inbox_fill(const struct pg_group *group, struct inbox_entry *entries)
{
        struct pg_call *calls[GROUP_CALLS_MAX];

        memcpy((void *)calls, (const void *)group->calls, group->count * sizeof(calls[0]));
        qsort((void *)calls, group->count, sizeof(calls[0]), inbox_by_serial);
        for (size_t i = 0; i < group->count; i++) {
                entries[i] = (struct inbox_entry){ .item = inbox_of(calls[i])->item, .id = inbox_id(calls[i]) };
                memcpy(entries[i].key, calls[i]->key, KEY_SIZE);
        }
}

static int inbox_send(struct pg_link *link, struct pg_group *group)
{
        struct inbox_entry entries[GROUP_CALLS_MAX];

        inbox_fill(group, entries);
        return inbox_send_batch(link, group, &(struct pg_inbox_batch){ entries, group->count });
}

static bool inbox_writes_once(const struct pg_group *group)
{
        struct inbox_entry entries[GROUP_CALLS_MAX];

        inbox_fill(group, entries);
        return inbox_batch_once(&(struct pg_inbox_batch){ entries, group->count });
}

/* A row for each that was stored, or was stale; none for what had been stored before. */
static enum store_result inbox_result(const PGresult *r, const char *id)
{
        for (int row = 0; row < PQntuples(r); row++) {
                if (strcmp(field_text(r, row, 0), id) == 0)
                        return field_bool(r, row, 1) ? STORE_DONE : STORE_STALE;
        }
        return STORE_ALREADY;
}

static void inbox_answer(struct pg_link *link, struct pg_group *group)
{
        const PGresult *r = group->results[inbox_writes_once(group) ? 1 : 0];

        for (size_t i = 0; i < group->count; i++) {
                struct pg_call *call = group_take(group, i);

                if (call)
                        call_done(link->store, call, inbox_result(r, inbox_id(call)), bytes_of(NULL, 0));
        }
}

const struct pg_verb verb_inbox = {
        .lane = LANE_INBOX,
        .link = PG_LINK_COMMITS,
        .most = GROUP_CALLS_MAX,
        .id = inbox_id,
        .size = inbox_size,
        .send = inbox_send,
        .answer = inbox_answer,
        .refuse = refuse_done,
};

void pg_inbox_apply(struct store *s, const struct inbox_item *item, store_done *done, void *arg)
{
        struct pg_store *pg = pg_of(s);
        struct pg_inbox_call *call = malloc(sizeof(*call) + inbox_id_size(item));

        if (!call) {
                call_refuse(&verb_inbox, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        *call = (struct pg_inbox_call){ .item = item, .serial = ++pg->inbox_serial };
        inbox_id_write(call->id, item);
        call_add(pg, &verb_inbox, call, call, (void (*)(void))done, arg);
}
