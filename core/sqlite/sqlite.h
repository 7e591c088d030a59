/* SPDX-License-Identifier: Apache-2.0 */
/* One SQLite database file, worked on by a thread of its own. Work that is handed over while a transaction is under way goes
 * together in the next one, so that one fsync serves all of it; everybody in this process who opens the same file
 * shares its thread, its connection and its transactions. It knows nothing of tasks: what is done to the tables is the caller's.
 * Write-ahead log, synchronous=FULL: what was answered survives a power cut. Several processes may share a file. */
#ifndef CHARD_CORE_SQLITE_SQLITE_H
#define CHARD_CORE_SQLITE_SQLITE_H

#include "core/door_counts.h"
#include "core/embed.h"
#include "core/problem.h"
#include "core/thread/mailbox.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <uv.h>

/* An opener's handle on a file; used on its loop's thread alone. */
struct sqlite_file;

/* The tables of one opener: numbered migrations ("0001_queues.sql", …), counted per part in the file's table `part`. */
struct sqlite_part {
        const char *name; /* "broker", "store" */
        const struct embedded_file *migrations;
        size_t count;
};

struct sqlite_config {
        uv_loop_t *loop;
        const char *path;
        const struct sqlite_part *part;
        unsigned timeout_ms; /* open: longest wait for another process's lock */
        bool alone; /* nobody else may have the file open meanwhile (code "in_use" when somebody has); counts for the first opener in this process */
        bool migrate; /* make the file, and bring the part's tables to this binary's version, where that is needed */
        /* Called once at opening, on the file's thread while the opener waits, in a transaction of its own after the part's migrations: puts there
         * what must stand there. SQLITE_OK, or why not: then the file is not opened. May be NULL. */
        int (*prepare)(sqlite3 *db, void *arg);
        void (*said)(const char *line, void *arg); /* one line a migration; may be NULL */
        void (*changed)(
                bool up, const char *why,
                void *arg); /* the file can't be written (disk full, locked for long, gone), or can again; may be NULL */
        void (*touched)(
                void *arg); /* somebody else (another process, or another handle in this one) has changed something; may be NULL */
        void *arg;
        struct door_counts *counts; /* how the handle's work fares, kept by its loop's thread; may be NULL */
};

/* What became of a piece of work. */
enum sqlite_end {
        SQLITE_END_COMMITTED,
        SQLITE_END_REFUSED, /* for its data, or it asked in vain: `problem` says why; nothing of it was stored */
        SQLITE_END_CLOSED,  /* the handle was closed first: it was not done */
};

struct sqlite_work;

/* How one kind of work is done; constant. */
struct sqlite_verb {
        /* On the file's thread, inside a transaction shared with other work. Returns SQLITE_OK, or the SQLite error code: then the
         * transaction is rolled back and its work is repeated piece by piece, so it may run more than once and must start from nothing each time. */
        int (*run)(struct sqlite_work *work, sqlite3 *db);
        /* On the handle's loop thread, after the commit is durable, or with why not. The work is the callee's again. */
        void (*done)(struct sqlite_work *work, enum sqlite_end end, const struct problem *why);
        /* What a piece of work is about, for the log: "commit: t7"'s two parts. Both may be NULL. */
        const char *name;
        const char *(*about)(const struct sqlite_work *work);
        bool reads; /* changes nothing: needs no commit of its own */
        bool asks;  /* as `reads`, though it changes something: nothing is lost when it is refused after a few tries */
        bool loose; /* a power cut (not a crash of the process) may undo it: with nothing else in its group, nobody waits for the disk */
};

/* Put this first in a piece of work; all of it is the file's until `done`, and filled in by sqlite_do. */
struct sqlite_work {
        struct mail mail;
        const struct sqlite_verb *verb;
        struct sqlite_file *file;
        enum sqlite_end end;
        uint64_t took_us; /* its group, told with the handle's first work in it; 0 with the others */
        struct problem
                why; /* a run that fails may fill it in (then with a code), and is refused; otherwise it says what SQLite said */
        struct sqlite_setback {
                int code;       /* what SQLite said in the last try; SQLITE_OK: it went well */
                unsigned tries; /* that failed */
                uint64_t due_ms;
                bool overtaken; /* others of its verb were stored since it failed last */
                bool alone;     /* it is the only one that can't be stored, and that was told */
        } setback;
};

/* Open a file. Blocks up to timeout_ms. Returns 0; 1 with `why`, whose source the caller sets (codes "bad_path": no path, or no plain file;
 * "unreachable": missing folder, no permission, full disk, locked for longer; "not_chard": some other file, which is left as it is; "schema_missing": no file or no
 * tables yet; "schema_too_old", "schema_too_new"); or -errno. An empty file counts as none. */
int sqlite_file_open(struct sqlite_file **out, const struct sqlite_config *config, struct problem *why);

/* Hand over a piece of work: done in the order of the calls, durable together with its neighbours. Work that the file can't take just now (disk full,
 * locked by another process, an error that nobody knows) waits, and is repeated with back-off until the file is closed. What fails while
 * others are stored waits alone, and is overtaken; it is refused only for its data. */
void sqlite_do(struct sqlite_file *file, struct sqlite_work *work, const struct sqlite_verb *verb);

bool sqlite_file_up(const struct sqlite_file *file);

/* Do what was handed over, as long as the file takes it at once (waits up to about a second for another process's lock); answer the rest with
 * CLOSED; let go of the file. The `done`s are called from inside; they must hand over nothing more.
 * May be called from inside any callback here. The loop must turn until it is idle: the handle's own handles close there. */
void sqlite_file_close(struct sqlite_file *file);

/* ---- on the file's thread, from inside a verb's run ---- */

/* The prepared statement of a constant text (found again by its address), kept for as long as the file is open; reset, with nothing bound. It is
 * reset, and its bindings are cleared, when the run returns: what is bound needs no copy. NULL when it can't be prepared: return sqlite3_errcode(db). */
sqlite3_stmt *sqlite_statement(sqlite3 *db, const char *constant_sql);

#endif
