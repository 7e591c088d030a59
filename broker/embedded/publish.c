/* SPDX-License-Identifier: Apache-2.0 */
/* A publish is a durable insert into each queue that its key leads to. */
#include "broker/embedded/embedded.h"
#include "core/clock.h"
#include "core/log.h"

#include <stdlib.h>

struct enqueue {
        struct sqlite_work work;
        struct embedded *broker;
        struct message *message;
        publish_done *done;
        void *arg;
        enum publish_result result;
};

static int insert_message(sqlite3 *db, const struct message *m)
{
        sqlite3_stmt *s = sqlite_statement(
                db,
                "insert into broker_message (exchange, routing_key, properties, body, queued_ms) values (?1, ?2, ?3, ?4, ?5)");
        if (!s)
                return sqlite3_errcode(db);
        sqlite3_bind_text(s, 1, m->exchange, -1, SQLITE_STATIC);
        sqlite3_bind_text(s, 2, m->routing_key, -1, SQLITE_STATIC);
        sqlite3_bind_blob64(s, 3, m->properties.data, m->properties.size, SQLITE_STATIC);
        const int bound = m->body.size ? sqlite3_bind_blob64(s, 4, m->body.data, m->body.size, SQLITE_STATIC)
                                       : sqlite3_bind_zeroblob(s, 4, 0);
        if (bound)
                return bound;
        sqlite3_bind_int64(s, 5, clock_wall_ms());
        const int code = sqlite3_step(s);
        return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int insert_entry(sqlite3 *db, int64_t queue)
{
        sqlite3_stmt *s = sqlite_statement(
                db, "insert into broker_entry (queue, owner, id, redelivered, deliveries) values (?1, 0, ?2, 0, 0)");
        if (!s)
                return sqlite3_errcode(db);
        sqlite3_bind_int64(s, 1, queue);
        sqlite3_bind_int64(s, 2, sqlite3_last_insert_rowid(db));
        const int code = sqlite3_step(s);
        return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* As RabbitMQ: a missing exchange is an error of the publisher's, a key that leads nowhere comes back. */
static int embedded_publish_run(struct sqlite_work *work, sqlite3 *db)
{
        struct enqueue *p = (struct enqueue *)work;
        const struct message *m = p->message;
        const struct routing *route = NULL;
        struct properties read;
        p->result = PUBLISH_REFUSED;
        if (properties_read(m->properties, &read, NULL))
                return SQLITE_OK;
        int code = router_find(&p->broker->router, db, m->exchange, m->routing_key, &route);
        if (code || !route->exchange_exists)
                return code;
        p->result = route->count ? PUBLISH_CONFIRMED : PUBLISH_RETURNED;
        for (size_t i = 0; i < route->count && !code; i++) {
                code = insert_message(db, m);
                if (!code)
                        code = insert_entry(db, route->queues[i]);
        }
        return code;
}

static void embedded_publish_ended(struct sqlite_work *work, enum sqlite_end end, const struct problem *why)
{
        struct enqueue *p = (struct enqueue *)work;
        struct embedded *b = p->broker;
        enum publish_result result = p->result;
        if (b->closed || end == SQLITE_END_CLOSED)
                result = PUBLISH_CLOSED;
        else if (end == SQLITE_END_REFUSED)
                result = PUBLISH_REFUSED;
        if (end == SQLITE_END_REFUSED)
                log_warn("broker", "exchange=%s key=%s bytes=%zu a message was refused: %s", p->message->exchange,
                         p->message->routing_key, p->message->body.size, why->text);
        b->open_publishes--;
        message_free(p->message);
        if (p->done)
                p->done(result, p->arg);
        free(p);
}

static const struct sqlite_verb PUBLISH = { .run = embedded_publish_run,
                                            .done = embedded_publish_ended,
                                            .name = "publish" };

void embedded_publish(struct broker *broker, struct message *takes, publish_done *done, void *arg)
{
        struct embedded *b = (struct embedded *)broker;
        struct enqueue *p = b->closed ? NULL : malloc(sizeof(*p));
        if (!p) {
                message_free(takes);
                if (done)
                        done(b->closed ? PUBLISH_CLOSED : PUBLISH_REFUSED, arg);
                return;
        }
        p->broker = b;
        p->message = takes;
        p->done = done;
        p->arg = arg;
        b->open_publishes++;
        for (size_t i = 0; i < b->consumer_count; i++)
                b->consumers[i]->more = true; /* it may be for ourselves */
        sqlite_do(b->file, &p->work, &PUBLISH);
        embedded_turn(b);
}
