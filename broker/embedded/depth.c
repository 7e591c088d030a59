/* SPDX-License-Identifier: Apache-2.0 */
/* How many messages a queue holds. */
#include "broker/embedded/embedded.h"

#include <stdlib.h>
#include <string.h>

struct count {
        struct sqlite_work work;
        depth_done *done;
        void *arg;
        int64_t messages;
        bool all;
        char queue[];
};

static const char one_sql[] =
        "select (select count(*) from broker_entry where queue = q.id) from broker_queue as q where q.name = ?1";
static const char all_sql[] = "select count(*) from broker_entry";

static int embedded_depth_run(struct sqlite_work *work, sqlite3 *db)
{
        struct count *c = (struct count *)work;
        sqlite3_stmt *s = sqlite_statement(db, c->all ? all_sql : one_sql);
        c->messages = -1;
        if (!s)
                return sqlite3_errcode(db);
        if (!c->all)
                sqlite3_bind_text(s, 1, c->queue, -1, SQLITE_STATIC);
        const int code = sqlite3_step(s);
        if (code == SQLITE_ROW)
                c->messages = sqlite3_column_int64(s, 0);
        return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static void counted(struct sqlite_work *work, enum sqlite_end end, const struct problem *why)
{
        struct count *c = (struct count *)work;
        (void)why;
        c->done(end == SQLITE_END_COMMITTED ? c->messages : -1, -1, c->arg);
        free(c);
}

static const struct sqlite_verb COUNT = { .run = embedded_depth_run, .done = counted, .reads = true };

void embedded_depth(struct broker *broker, const char *queue, depth_done *done, void *arg)
{
        struct embedded *b = (struct embedded *)broker;
        const size_t size = queue ? strlen(queue) + 1 : 0;
        struct count *c = b->closed ? NULL : calloc(1, sizeof(*c) + size);
        if (!c) {
                done(-1, -1, arg);
                return;
        }
        c->done = done;
        c->arg = arg;
        c->all = queue == NULL;
        if (queue)
                memcpy(c->queue, queue, size);
        embedded_hand_over(b); /* acks of this turn count */
        sqlite_do(b->file, &c->work, &COUNT);
}
