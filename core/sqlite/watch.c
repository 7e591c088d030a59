/* SPDX-License-Identifier: Apache-2.0 */
/* Notices what other processes commit: inotify tells that somebody writes to the log, `pragma data_version` that a commit is visible, which is
 * a little later (after the other's fsync) and without a further event. Where inotify says nothing, it looks every second. */
#include "core/clock.h"

#include "core/sqlite/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* After an event: look again after 1, 2, 4, 8, 16, 16, … ms, for half a second. */
enum { IDLE_MS = 1000, BLIND_MS = 20, SOONEST_MS = 1, LATEST_MS = 16, ATTENTION_MS = 500 };

static int64_t data_version(struct sqlite_engine *e)
{
        sqlite3_stmt *statement = sqlite_statement(e->db, "pragma data_version");
        const int64_t version = statement && sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0)
                                                                                   : e->watch.version;
        sqlite_statements_reset(e);
        return version;
}

/* The log is there as long as anybody has the file open. */
static void watch_log(struct sqlite_engine *e)
{
        char *name = NULL;
        e->watch.inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        if (e->watch.inotify < 0)
                return;
        if (asprintf(&name, "%s-wal", e->path) < 0)
                name = NULL; /* undefined, says its manual */
        if (!name || inotify_add_watch(e->watch.inotify, name, IN_MODIFY) < 0) {
                close(e->watch.inotify);
                e->watch.inotify = -1;
        }
        free(name);
}

void sqlite_watch_open(struct sqlite_engine *e)
{
        e->watch = (struct sqlite_watch){ .inotify = -1 };
        e->watch.version = data_version(e);
        watch_log(e);
}

void sqlite_watch_close(struct sqlite_engine *e)
{
        if (e->watch.inotify >= 0)
                close(e->watch.inotify);
        e->watch.inotify = -1;
}

int sqlite_watch_wait(const struct sqlite_engine *e, uint64_t now_ms)
{
        return e->watch.look_at_ms > now_ms ? (int)(e->watch.look_at_ms - now_ms) : 0;
}

static void sqlite_watch_drain(int fd)
{
        char events[4096];
        while (read(fd, events, sizeof(events)) > 0) {
        }
}

bool sqlite_watch_look(struct sqlite_engine *e, bool readable, uint64_t now_ms)
{
        struct sqlite_watch *w = &e->watch;
        if (readable) {
                sqlite_watch_drain(w->inotify);
                w->soon_ms = SOONEST_MS;
                w->soon_until_ms = now_ms + ATTENTION_MS;
        } else if (now_ms < w->look_at_ms) {
                return false;
        }
        const int64_t version = data_version(e);
        const bool changed = version != w->version;
        w->version = version;
        w->look_at_ms = now_ms + (w->soon_ms ? w->soon_ms : w->inotify < 0 ? BLIND_MS : IDLE_MS);
        if (now_ms >= w->soon_until_ms)
                w->soon_ms = 0;
        else if (w->soon_ms < LATEST_MS)
                w->soon_ms *= 2;
        return changed;
}

bool sqlite_watch_is_there(const struct sqlite_engine *e)
{
        struct stat st;
        return stat(e->path, &st) == 0 && st.st_dev == e->device && st.st_ino == e->inode;
}
