/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody else has changed something in the file. Before messages are fetched, which needs the file's one write lock, it is looked whether there
 * are any; most changes are of no interest here. */
#include "broker/embedded/embedded.h"

static int embedded_peek_look(sqlite3 *db, struct ask *ask)
{
        ask->more = false;
        int code = embedded_find_queue(db, ask);
        if (code || !ask->exists)
                return code;
        sqlite3_stmt *s = sqlite_statement(db, "select 1 from broker_entry where queue = ?1 and owner = 0 limit 1");
        if (!s)
                return sqlite3_errcode(db);
        sqlite3_bind_int64(s, 1, ask->queue_id);
        code = sqlite3_step(s);
        ask->more = code == SQLITE_ROW;
        return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static int embedded_peek_run(struct sqlite_work *work, sqlite3 *db)
{
        const struct peek *p = (struct peek *)work;
        int code = SQLITE_OK;
        for (size_t i = 0; i < p->count && !code; i++)
                code = embedded_peek_look(db, &p->asks[i]);
        return code;
}

static void embedded_peek_done(struct sqlite_work *work, enum sqlite_end end, const struct problem *why)
{
        struct peek *p = (struct peek *)work;
        struct embedded *b = p->broker;
        (void)why;
        p->under_way = false;
        if (b->closed || end != SQLITE_END_COMMITTED)
                return;
        for (size_t i = 0; i < p->count; i++) {
                struct embedded_consumer *c = p->asks[i].consumer;
                c->more = c->more || p->asks[i].more || (p->asks[i].exists && !c->registered);
        }
        embedded_turn(b);
        if (p->again)
                embedded_peek(b);
}

static const struct sqlite_verb PEEK = { .run = embedded_peek_run, .done = embedded_peek_done, .reads = true };

void embedded_peek(struct embedded *b)
{
        struct peek *p = &b->peek;
        p->again = p->under_way;
        if (p->under_way || b->closed)
                return;
        p->count = embedded_asks(b, &p->asks, &p->capacity, true);
        if (p->count == 0)
                return;
        p->broker = b;
        p->under_way = true;
        sqlite_do(b->file, &p->work, &PEEK);
}
