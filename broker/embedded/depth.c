/* SPDX-License-Identifier: Apache-2.0 */
/* How many messages a queue holds. */
#include "broker/embedded/embedded.h"

#include <stdlib.h>
#include <string.h>

struct count {
        struct sqlite_work work;
        depth_done *done;
        void *arg;
        struct queue_depth depth;
        bool all;
        char queue[];
};

static const char one_sql[] = "select (select count(*) from broker_entry where queue = q.id and owner = 0),"
                              " (select count(*) from broker_entry where queue = q.id and owner <> 0),"
                              " (select m.queued_ms from broker_entry e join broker_message m on m.id = e.id"
                              " where e.queue = q.id and e.owner = 0 order by e.id limit 1)"
                              " from broker_queue as q where q.name = ?1";
static const char all_sql[] =
        "select count(*) filter (where owner = 0), count(*) filter (where owner <> 0), 0 from broker_entry";

static const struct queue_depth depth_unknown = { .ready = -1, .unacked = -1, .consumers = -1 };

static int embedded_depth_run(struct sqlite_work *work, sqlite3 *db)
{
        struct count *c = (struct count *)work;
        sqlite3_stmt *s = sqlite_statement(db, c->all ? all_sql : one_sql);
        c->depth = depth_unknown;
        if (!s)
                return sqlite3_errcode(db);
        if (!c->all)
                sqlite3_bind_text(s, 1, c->queue, -1, SQLITE_STATIC);
        const int code = sqlite3_step(s);
        c->depth.missing = code == SQLITE_DONE;
        if (code == SQLITE_ROW) {
                c->depth.ready = sqlite3_column_int64(s, 0);
                c->depth.unacked = sqlite3_column_int64(s, 1);
                c->depth.oldest_ms = sqlite3_column_int64(s, 2);
        }
        return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static void embedded_depth_counted(struct sqlite_work *work, enum sqlite_end end, const struct problem *why)
{
        struct count *c = (struct count *)work;
        (void)why;
        c->done(end == SQLITE_END_COMMITTED ? &c->depth : &depth_unknown, c->arg);
        free(c);
}

static const struct sqlite_verb COUNT = { .run = embedded_depth_run, .done = embedded_depth_counted, .reads = true };

void embedded_depth(struct broker *broker, const char *queue, depth_done *done, void *arg)
{
        struct embedded *b = (struct embedded *)broker;
        const size_t size = queue ? strlen(queue) + 1 : 0;
        struct count *c = b->closed ? NULL : calloc(1, sizeof(*c) + size);
        if (!c) {
                done(&depth_unknown, arg);
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
