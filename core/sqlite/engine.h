/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of core/sqlite/sqlite.h share: the file's thread with its one connection, and a handle as both sides see it.
 * Everything is the thread's own, except where it says otherwise. */
#ifndef CHARD_CORE_SQLITE_ENGINE_H
#define CHARD_CORE_SQLITE_ENGINE_H

#include "core/sqlite/sqlite.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

enum { SQLITE_WHY_SIZE = 256 };

/* A handle: the thread's side of it stands in the engine's list from attach to detach. */
struct sqlite_file {
        struct sqlite_config config;
        struct sqlite_engine *engine;
        struct mailbox *answers; /* works that are done, and `wake` */

        /* the loop's */
        struct sqlite_work *turn_first, *turn_last; /* handed over in this turn of the loop */
        struct mail *taken;                         /* out of the mailbox, not looked at yet */
        uv_poll_t poll;
        uv_idle_t turn;
        unsigned uv_handles;
        bool up, closed;

        /* the thread's */
        struct sqlite_file *next;
        struct sqlite_work *done_first, *done_last;

        /* both sides' */
        struct mail wake;
        atomic_bool woken, touched, turned; /* turned: engine->down has changed */
};

/* Asked of the thread in the order of the works; stands on the asker's stack, who waits for the answer. */
enum sqlite_ask { SQLITE_ASK_ATTACH, SQLITE_ASK_DETACH, SQLITE_ASK_STOP };
struct sqlite_control {
        struct sqlite_work work; /* without a verb */
        enum sqlite_ask ask;
        struct sqlite_file *file;
        struct problem *why;
        int result;
        bool answered; /* under engine->lock */
};

/* Finds statements by the address of their text. */
struct sqlite_statements {
        struct sqlite_kept *slots;
        size_t count, capacity;
        sqlite3_stmt *used[16]; /* by the run under way: reset after it */
        size_t used_count;
};

/* Sees that another process has committed. */
struct sqlite_watch {
        int inotify;      /* or -1 */
        int64_t version;  /* pragma data_version as last seen */
        unsigned soon_ms; /* look again after this; 0 when nothing is expected */
        uint64_t soon_until_ms;
        uint64_t look_at_ms; /* when to look next */
};

struct sqlite_engine {
        /* the registry's */
        struct sqlite_engine *next_engine;
        dev_t device;
        ino_t inode;
        unsigned users;
        char *path;

        pthread_t thread;
        struct mailbox *inbox;
        pthread_mutex_t lock; /* of controls' answers, and of `down` and `down_why` */
        pthread_cond_t answered;
        atomic_uint leaving; /* handles that want to close: wait no longer than needed */
        bool down;
        char down_why[SQLITE_WHY_SIZE];

        sqlite3 *db;
        uint64_t patience_ms;  /* for locks, from locked_at_ms on */
        uint64_t locked_at_ms; /* when the wait for a lock began */
        struct sqlite_statements statements;
        struct sqlite_watch watch;
        struct sqlite_file *files;
        struct sqlite_work *first, *last; /* waiting for the next group */
        struct sqlite_work *parked;       /* each waiting for its own time */
        unsigned most;                    /* of one group: less after a commit that failed */
        uint64_t began_us;                /* the group under way */
        unsigned failures;                /* in a row */
        uint64_t failing_since_ms, retry_at_ms;
        int log_pages, log_tried; /* of the write-ahead log: its length, and at which one it was last carried over */
        bool stop, synced;        /* synced: a commit waits for the disk */
        uint64_t random;          /* state of the back-off's jitter */
};

/* ---- open.c ---- */

/* Open the connection if there is none, and bring the part's tables to this program's version, or say what is wrong. */
int sqlite_open(struct sqlite_engine *e, const struct sqlite_config *config, struct problem *why);
void sqlite_shut(struct sqlite_engine *e);

/* ---- group.c ---- */

/* Do some of the waiting works, from the first on, in one transaction; they are ended and given to their handles' done lists, or parked. Returns
 * SQLITE_OK, or why the file can't take them now: then nothing is done, and all still wait. */
int sqlite_group(struct sqlite_engine *e);

/* ---- trouble.c ---- */

/* Does the code that the connection has just returned speak of the data? Then, and only then, work is refused. */
bool sqlite_is_data(sqlite3 *db, int code);

/* What the connection has just said, in a user's words. */
void sqlite_describe(const struct sqlite_engine *e, int code, char out[SQLITE_WHY_SIZE]);

/* ---- setback.c ---- */

/* A work that failed, but not for its data: it waits for its own time. */
void sqlite_park(struct sqlite_engine *e, struct sqlite_work *work);

/* A work of this verb was stored: so may be the parked ones, if it isn't for them that they failed. */
void sqlite_overtake(struct sqlite_engine *e, const struct sqlite_verb *verb);

/* Let those wait for the next group again whose time has come. */
void sqlite_unpark(struct sqlite_engine *e, uint64_t now_ms);

/* Milliseconds until the first one's time, or `most`. */
int sqlite_parked_wait(const struct sqlite_engine *e, uint64_t now_ms, int most);

/* The handle goes: its parked works end as closed. */
void sqlite_parked_close(struct sqlite_engine *e, const struct sqlite_file *file);

/* Why the file counts as one that takes nothing, or NULL: works wait that may not be the only ones to fail. */
const char *sqlite_stuck(const struct sqlite_engine *e);

/* Does it wait for as long as it takes? */
bool sqlite_is_patient(const struct sqlite_work *work);

/* ---- engine.c ---- */

void *sqlite_engine_run(void *engine);
void sqlite_end(struct sqlite_work *work, enum sqlite_end end);
void sqlite_append(struct sqlite_engine *e, struct sqlite_work *work); /* to those that wait for the next group */
uint64_t sqlite_random(struct sqlite_engine *e);
/* Tell a handle's loop that there is something to look at. */
void sqlite_wake(struct sqlite_file *file);

/* ---- statement.c ---- */

int sqlite_exec(sqlite3 *db, const char *constant_sql);
void sqlite_statements_use(struct sqlite_engine *e); /* this thread's statements are this engine's */
void sqlite_statements_reset(struct sqlite_engine *e);
void sqlite_statements_free(struct sqlite_engine *e);

/* ---- watch.c ---- */

void sqlite_watch_open(struct sqlite_engine *e);
void sqlite_watch_close(struct sqlite_engine *e);

/* Milliseconds until it wants to look. */
int sqlite_watch_wait(const struct sqlite_engine *e, uint64_t now_ms);

/* Look, when it is time or `readable`; true when another process has committed since the last time. */
bool sqlite_watch_look(struct sqlite_engine *e, bool readable, uint64_t now_ms);

/* Does the path still name the file that is open? */
bool sqlite_watch_is_there(const struct sqlite_engine *e);

#endif
