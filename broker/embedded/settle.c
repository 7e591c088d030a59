/* SPDX-License-Identifier: Apache-2.0 */
/* Acks and hand-backs of one turn of the loop, together. */
#include "broker/embedded/embedded.h"
#include "core/log.h"

#include <stdlib.h>

enum { SETTLING_FIRST = 64 };

/* ---- on the file's thread ---- */

static int embedded_settle_step(sqlite3 *db, sqlite3_stmt *s, int64_t queue, int64_t session, int64_t id)
{
        if (!s)
                return sqlite3_errcode(db);
        sqlite3_bind_int64(s, 1, queue);
        sqlite3_bind_int64(s, 2, session);
        sqlite3_bind_int64(s, 3, id);
        const int code = sqlite3_step(s);
        return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int delete_message(sqlite3 *db, int64_t id)
{
        sqlite3_stmt *s = sqlite_statement(db, "delete from broker_message where id = ?1");
        if (!s)
                return sqlite3_errcode(db);
        sqlite3_bind_int64(s, 1, id);
        const int code = sqlite3_step(s);
        return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int settle_one(sqlite3 *db, const struct embedded_settlement *t, int64_t session)
{
        if (!t->ack)
                return embedded_settle_step(db,
                                            sqlite_statement(db, "update broker_entry set owner = 0, redelivered = 1"
                                                                 " where queue = ?1 and owner = ?2 and id = ?3"),
                                            t->queue_id, session, t->id);
        const int code = embedded_settle_step(
                db, sqlite_statement(db, "delete from broker_entry where queue = ?1 and owner = ?2 and id = ?3"),
                t->queue_id, session, t->id);
        return code || sqlite3_changes64(db) == 0 ? code : delete_message(db, t->id);
}

static int embedded_settle_run(struct sqlite_work *work, sqlite3 *db)
{
        const struct embedded_settling *batch = (struct embedded_settling *)work;
        int code = SQLITE_OK;
        for (size_t i = 0; i < batch->count && !code; i++)
                code = settle_one(db, &batch->settlements[i], batch->session);
        return code;
}

static void embedded_settle_done(struct sqlite_work *work, enum sqlite_end end, const struct problem *why)
{
        if (end == SQLITE_END_REFUSED)
                log_error("broker", "acks are lost, their messages come again: %s", why->text);
        free(work);
}

static const struct sqlite_verb SETTLE = { .run = embedded_settle_run, .done = embedded_settle_done, .name = "acks" };

/* ---- on the loop ---- */

/* Room for one more in this turn's batch, or NULL. */
static struct embedded_settlement *embedded_settle_next(struct embedded *b)
{
        struct embedded_settling *batch = b->settling;
        if (!batch || batch->count == batch->capacity) {
                const size_t capacity = batch ? 2 * batch->capacity : SETTLING_FIRST;
                struct embedded_settling *larger =
                        realloc(batch, sizeof(*batch) + capacity * sizeof(batch->settlements[0]));
                if (!larger)
                        return NULL;
                if (!batch)
                        larger->count = 0;
                larger->capacity = capacity;
                larger->session = b->session;
                b->settling = batch = larger;
        }
        return &batch->settlements[batch->count++];
}

/* Out of memory costs a redelivery when the session ends, not the message. */
static void embedded_settle_one(struct broker *broker, struct delivery_tag tag, bool ack)
{
        struct embedded *b = (struct embedded *)broker;
        struct held_entry held;
        if (b->closed || tag.epoch != 1 || !held_take(&b->held, tag.number, &held))
                return;
        struct embedded_settlement *s = embedded_settle_next(b);
        if (s)
                *s = (struct embedded_settlement){ held.consumer->queue_id, held.id, ack };
        held.consumer->unacked--;
        if (!ack)
                held.consumer->more = true;
        embedded_turn(b);
}

void embedded_ack(struct broker *b, struct delivery_tag tag)
{
        embedded_settle_one(b, tag, true);
}

void embedded_hand_back(struct broker *b, struct delivery_tag tag)
{
        embedded_settle_one(b, tag, false);
}

void embedded_settle(struct embedded *b)
{
        struct embedded_settling *batch = b->settling;
        b->settling = NULL;
        if (batch)
                sqlite_do(b->file, &batch->work, &SETTLE);
}
