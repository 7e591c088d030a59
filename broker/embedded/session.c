/* SPDX-License-Identifier: Apache-2.0 */
/* Signs of life. Every broker that is open holds an open-file-description lock on one byte of FILE-lock, at its session's number; the kernel lets
 * go of it however the process ends. Whoever finds a session without its lock puts back what that had unacked. */
#include "broker/embedded/embedded.h"
#include "core/clock.h"
#include "core/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Beside the file itself, wherever a link led us from. */
int embedded_session_open(struct embedded *b, sqlite3 *db)
{
        char *name = NULL;
        if (asprintf(&name, "%s-lock", sqlite3_db_filename(db, "main")) < 0)
                return SQLITE_NOMEM;
        b->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        free(name);
        return b->lock_fd < 0 ? SQLITE_CANTOPEN : SQLITE_OK;
}

static struct flock lock_of(int64_t session)
{
        return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = session, .l_len = 1 };
}

/* When the system can't say, it lives. */
static bool is_dead(const struct embedded *b, int64_t session)
{
        struct flock lock = lock_of(session);
        return fcntl(b->lock_fd, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK;
}

/* ---- on the file's thread ---- */

static int embedded_session_finish(sqlite3 *db, sqlite3_stmt *s)
{
        if (!s)
                return sqlite3_errcode(db);
        const int code = sqlite3_step(s);
        return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int with_id(sqlite3 *db, const char *constant_sql, int64_t id)
{
        sqlite3_stmt *s = sqlite_statement(db, constant_sql);
        if (s)
                sqlite3_bind_int64(s, 1, id);
        return embedded_session_finish(db, s);
}

/* Everything that a session has unacked goes back to where it stood. */
static int put_back(sqlite3 *db, int64_t session)
{
        const int code = with_id(db,
                                 "update broker_entry set owner = 0, redelivered = 1"
                                 " where queue in (select id from broker_queue) and owner = ?1",
                                 session);
        return code ? code : with_id(db, "delete from broker_session where id = ?1", session);
}

static int find_dead(const struct embedded *b, sqlite3 *db, struct census *c)
{
        int code;
        sqlite3_stmt *s = sqlite_statement(db, "select id from broker_session where id <> ?1");
        if (!s)
                return sqlite3_errcode(db);
        sqlite3_bind_int64(s, 1, b->session);
        c->count = 0;
        while ((code = sqlite3_step(s)) == SQLITE_ROW) {
                const int64_t session = sqlite3_column_int64(s, 0);
                if (c->count < DEAD_MAX && is_dead(b, session))
                        c->dead[c->count++] = session;
        }
        return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int embedded_session_bury(sqlite3 *db, const struct census *c)
{
        int code = SQLITE_OK;
        for (size_t i = 0; i < c->count && !code; i++)
                code = put_back(db, c->dead[i]);
        return code;
}

static int register_session(struct embedded *b, sqlite3 *db)
{
        sqlite3_stmt *s =
                sqlite_statement(db, "insert into broker_session (name, pid, started_ms) values (?1, ?2, ?3)");
        if (!s)
                return sqlite3_errcode(db);
        sqlite3_bind_text(s, 1, b->name, -1, SQLITE_STATIC);
        sqlite3_bind_int64(s, 2, getpid());
        sqlite3_bind_int64(s, 3, clock_wall_ms());
        const int code = embedded_session_finish(db, s);
        b->session = sqlite3_last_insert_rowid(db);
        return code;
}

/* The lock is there before anybody can see the row. */
int embedded_session_start(struct embedded *b, sqlite3 *db)
{
        struct census dead = { .count = 0 };
        int code = find_dead(b, db, &dead);
        if (!code)
                code = embedded_session_bury(db, &dead);
        if (!code)
                code = register_session(b, db);
        if (code)
                return code;
        struct flock lock = lock_of(b->session);
        return fcntl(b->lock_fd, F_OFD_SETLK, &lock) ? SQLITE_IOERR : SQLITE_OK;
}

static int embedded_session_run_look(struct sqlite_work *work, sqlite3 *db)
{
        struct census *c = (struct census *)work;
        return find_dead(c->broker, db, c);
}

static int embedded_session_run_bury(struct sqlite_work *work, sqlite3 *db)
{
        return embedded_session_bury(db, (struct census *)work);
}

static int run_leave(struct sqlite_work *work, sqlite3 *db)
{
        const struct census *c = (struct census *)work;
        return put_back(db, c->broker->session);
}

/* ---- on the loop ---- */

static void embedded_session_buried(struct sqlite_work *work, enum sqlite_end end, const struct problem *why)
{
        struct census *c = (struct census *)work;
        struct embedded *b = c->broker;
        c->under_way = false;
        if (end == SQLITE_END_REFUSED)
                log_error("broker", "the messages of %zu ended processes can't be put back: %s", c->count, why->text);
        if (b->closed || end != SQLITE_END_COMMITTED)
                return;
        log_warn("broker", "file=%s %zu processes ended without a word: what they had goes back to its queues", b->path,
                 c->count);
        embedded_peek(b);
}

static const struct sqlite_verb BURY = { .run = embedded_session_run_bury,
                                         .done = embedded_session_buried,
                                         .name = "put back messages" };

static void embedded_session_looked(struct sqlite_work *work, enum sqlite_end end, const struct problem *why)
{
        struct census *c = (struct census *)work;
        (void)why;
        c->under_way = false;
        if (c->broker->closed || end != SQLITE_END_COMMITTED || c->count == 0)
                return;
        c->under_way = true;
        sqlite_do(c->broker->file, &c->work, &BURY);
}

static const struct sqlite_verb LOOK = { .run = embedded_session_run_look,
                                         .done = embedded_session_looked,
                                         .reads = true };

static void embedded_session_left(struct sqlite_work *work, enum sqlite_end end, const struct problem *why)
{
        (void)work, (void)end, (void)why; /* if it could not be done, the lock goes, and others do it */
}

static const struct sqlite_verb LEAVE = { .run = run_leave, .done = embedded_session_left };

void embedded_session_look(struct embedded *b)
{
        if (b->census.under_way || b->closed)
                return;
        b->census.broker = b;
        b->census.under_way = true;
        sqlite_do(b->file, &b->census.work, &LOOK);
}

void embedded_session_end(struct embedded *b)
{
        b->leave.broker = b;
        sqlite_do(b->file, &b->leave.work, &LEAVE);
}
