/* SPDX-License-Identifier: Apache-2.0 */
/* Takes batches of messages for consumers that have room. One fetch at a time: the longer it takes, the more the next one brings. */
#include "broker/embedded/embedded.h"
#include "core/log.h"

#include <stdlib.h>
#include <string.h>

/* One fetch's share of a queue: others have room, too, and memory has an end. */
enum { FETCH_MAX = 500 };
#define FETCH_BYTES ((size_t)32 << 20)

/* ---- what is wanted ---- */

static unsigned fetch_free_slots(const struct embedded_consumer *c)
{
        const unsigned free_slots = c->prefetch > c->unacked ? c->prefetch - c->unacked : 0;
        return free_slots < FETCH_MAX ? free_slots : FETCH_MAX;
}

static bool fetch_wants(const struct embedded_consumer *c, bool all)
{
        return c->wanted && ((!c->registered && (all || c->more)) || (fetch_free_slots(c) > 0 && (all || c->more)));
}

size_t embedded_asks(struct embedded *b, struct ask **asks, size_t *capacity, bool all)
{
        size_t count = 0;
        if (*capacity < b->consumer_count) {
                struct ask *larger = realloc(*asks, b->consumer_count * sizeof(**asks));
                if (!larger)
                        return 0;
                *asks = larger;
                *capacity = b->consumer_count;
        }
        for (size_t i = 0; i < b->consumer_count; i++)
                if (fetch_wants(b->consumers[i], all))
                        (*asks)[count++] =
                                (struct ask){ .consumer = b->consumers[i], .want = fetch_free_slots(b->consumers[i]) };
        return count;
}

/* ---- on the file's thread ---- */

int embedded_find_queue(sqlite3 *db, struct ask *ask)
{
        sqlite3_stmt *s = sqlite_statement(db, "select id from broker_queue where name = ?1");
        if (!s)
                return sqlite3_errcode(db);
        sqlite3_bind_text(s, 1, ask->consumer->queue, -1, SQLITE_STATIC);
        const int code = sqlite3_step(s);
        ask->exists = code == SQLITE_ROW;
        if (ask->exists)
                ask->queue_id = sqlite3_column_int64(s, 0);
        return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static void fetch_drop(struct ask *ask)
{
        while (ask->first) {
                struct delivery *next = ask->first->next;
                delivery_free(ask->first);
                ask->first = next;
        }
        ask->last = NULL;
        ask->got = 0;
        ask->more = false;
}

static unsigned char *put_column(unsigned char *to, sqlite3_stmt *s, int column)
{
        const size_t size = (size_t)sqlite3_column_bytes(s, column);
        if (size)
                memcpy(to, sqlite3_column_blob(s, column), size);
        return to + size;
}

/* Columns: id, redelivered, exchange, routing key, properties, body, when it came. The id travels in the tag until the loop gives it a number. */
static struct delivery *read_delivery(sqlite3_stmt *s)
{
        size_t size = sizeof(struct delivery) + 2;
        for (int column = 2; column < 6; column++)
                size += (size_t)sqlite3_column_bytes(s, column);
        struct delivery *d = malloc(size);
        if (!d)
                return NULL;
        unsigned char *at = (unsigned char *)(d + 1);
        *d = (struct delivery){ .tag.number = (uint64_t)sqlite3_column_int64(s, 0),
                                .redelivered = sqlite3_column_int(s, 1),
                                .queued_ms = sqlite3_column_int64(s, 6) };
        d->exchange = (const char *)at;
        at = put_column(at, s, 2);
        *at++ = '\0';
        d->routing_key = (const char *)at;
        at = put_column(at, s, 3);
        *at++ = '\0';
        unsigned char *const properties = at;
        at = put_column(at, s, 4);
        d->properties = bytes_of(properties, (size_t)(at - properties));
        put_column(at, s, 5);
        d->body = bytes_of(at, (size_t)sqlite3_column_bytes(s, 5));
        return d;
}

static void fetch_append(struct ask *ask, struct delivery *d)
{
        if (ask->last)
                ask->last->next = d;
        else
                ask->first = d;
        ask->last = d;
        ask->got++;
}

static int read_ready(sqlite3 *db, struct ask *ask)
{
        size_t bytes = 0;
        int code;
        sqlite3_stmt *s = sqlite_statement(
                db, "select e.id, e.redelivered, m.exchange, m.routing_key, m.properties, m.body, m.queued_ms"
                    " from broker_entry e join broker_message m on m.id = e.id"
                    " where e.queue = ?1 and e.owner = 0 order by e.id limit ?2");
        if (!s)
                return sqlite3_errcode(db);
        sqlite3_bind_int64(s, 1, ask->queue_id);
        sqlite3_bind_int64(s, 2, ask->want);
        while (bytes < FETCH_BYTES && (code = sqlite3_step(s)) == SQLITE_ROW) {
                struct delivery *d = read_delivery(s);
                if (!d)
                        return SQLITE_NOMEM;
                fetch_append(ask, d);
                bytes += d->body.size;
        }
        ask->more = ask->got == ask->want || bytes >= FETCH_BYTES;
        return bytes >= FETCH_BYTES || code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Nobody else writes meanwhile: what is ready up to the last one is what was read. */
static int fetch_mark(sqlite3 *db, const struct ask *ask, int64_t session)
{
        sqlite3_stmt *s = sqlite_statement(db, "update broker_entry set owner = ?2, deliveries = deliveries + 1"
                                               " where queue = ?1 and owner = 0 and id <= ?3");
        if (!s)
                return sqlite3_errcode(db);
        sqlite3_bind_int64(s, 1, ask->queue_id);
        sqlite3_bind_int64(s, 2, session);
        sqlite3_bind_int64(s, 3, (int64_t)ask->last->tag.number);
        const int code = sqlite3_step(s);
        return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int fetch_one(sqlite3 *db, struct ask *ask, int64_t session)
{
        fetch_drop(ask); /* of an earlier run */
        int code = embedded_find_queue(db, ask);
        if (!code && ask->exists && ask->want)
                code = read_ready(db, ask);
        if (!code && ask->got)
                code = fetch_mark(db, ask, session);
        return code;
}

static int fetch_run(struct sqlite_work *work, sqlite3 *db)
{
        struct fetch *c = (struct fetch *)work;
        int code = SQLITE_OK;
        for (size_t i = 0; i < c->count && !code; i++)
                code = fetch_one(db, &c->asks[i], c->broker->session);
        return code;
}

/* ---- back on the loop ---- */

/* Give each its number, and note who has it. */
static void fetch_number(struct embedded *b, const struct ask *ask)
{
        struct embedded_consumer *c = ask->consumer;
        for (struct delivery *d = ask->first; d; d = d->next) {
                d->queue = c->queue;
                d->tag = (struct delivery_tag){ .number = held_add(&b->held, c, (int64_t)d->tag.number), .epoch = 1 };
        }
        c->unacked += ask->got;
}

static void fetch_take_result(struct embedded *b, struct ask *ask)
{
        struct embedded_consumer *c = ask->consumer;
        c->registered = c->wanted && ask->exists;
        c->missing = !ask->exists;
        c->queue_id = ask->queue_id;
        c->more = c->more || ask->more;
        fetch_number(b, ask);
}

static struct delivery *fetch_joined(const struct fetch *c)
{
        struct delivery *first = NULL, *last = NULL;
        for (size_t i = 0; i < c->count; i++) {
                if (!c->asks[i].first)
                        continue;
                if (last)
                        last->next = c->asks[i].first;
                else
                        first = c->asks[i].first;
                last = c->asks[i].last;
        }
        return first;
}

static void fetch_done(struct sqlite_work *work, enum sqlite_end end, const struct problem *why)
{
        struct fetch *c = (struct fetch *)work;
        struct embedded *b = c->broker;
        c->under_way = false;
        if (end == SQLITE_END_REFUSED)
                log_error("broker", "messages can't be taken: %s", why->text);
        if (b->closed || end != SQLITE_END_COMMITTED) {
                for (size_t i = 0; i < c->count; i++) {
                        fetch_drop(&c->asks[i]); /* what was taken goes back when the session ends */
                        c->asks[i].consumer->more = true;
                }
                return;
        }
        for (size_t i = 0; i < c->count; i++)
                fetch_take_result(b, &c->asks[i]);
        struct delivery *list = fetch_joined(c);
        if (list)
                b->listener.deliveries(list, b->listener.arg);
        if (b->closed)
                return;
        embedded_tell(b);
        if (!b->closed)
                embedded_turn(b);
}

static const struct sqlite_verb FETCH = {
        .run = fetch_run, .done = fetch_done, .loose = true, .name = "take messages"
};

void embedded_fetch(struct embedded *b)
{
        struct fetch *c = &b->fetch;
        size_t wanted = 0;
        if (c->under_way || b->closed || !b->listener.deliveries)
                return;
        c->count = embedded_asks(b, &c->asks, &c->capacity, false);
        for (size_t i = 0; i < c->count; i++)
                wanted += c->asks[i].want;
        if (c->count == 0 || held_reserve(&b->held, wanted))
                return; /* out of memory: again with the next turn */
        for (size_t i = 0; i < c->count; i++)
                c->asks[i].consumer->more = false;
        c->broker = b;
        c->under_way = true;
        sqlite_do(b->file, &c->work, &FETCH);
}
