/* SPDX-License-Identifier: Apache-2.0 */
/* The connection, and each part's tables. Nothing is written before the file is known to be chard's, or empty. */
#include "core/clock.h"

#include "core/log.h"
#include "core/sqlite/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define APPLICATION_ID 0x43485244 /* "CHRD" in the file's header */
#define TEXT_OF_(x)    #x
#define TEXT_OF(x)     TEXT_OF_(x)

/* After a commit the log is carried over into the file by us, not by SQLite before we could answer; it shrinks to this when it has been long. */
static const char settings_sql[] = "pragma synchronous=full; pragma temp_store=memory; pragma cache_size=-16000;"
                                   "pragma wal_autocheckpoint=0; pragma journal_size_limit=67108864;";

static int one_number(sqlite3 *db, const char *sql, int64_t *out)
{
        sqlite3_stmt *statement = NULL;
        int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
        if (code == SQLITE_OK)
                code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
                *out = sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
        return code == SQLITE_ROW ? SQLITE_OK : code;
}

/* What SQLite said while opening, in a user's words. */
static int sqlite_open_explain(const struct sqlite_engine *e, int code, struct problem *why)
{
        const int system_error = e->db ? sqlite3_system_errno(e->db) : 0;
        switch (code & 0xff) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return problem_set(why, "sqlite", "unreachable",
                                   "%s is locked by another program; it did not let go in time", e->path);
        case SQLITE_NOTADB:
                return problem_set(why, "sqlite", "not_chard", "%s is no database of chard's: choose another file",
                                   e->path);
        case SQLITE_FULL:
                return problem_set(why, "sqlite", "unreachable", "%s can't be written: the disk is full", e->path);
        case SQLITE_READONLY:
        case SQLITE_CANTOPEN:
                return problem_set(why, "sqlite", "unreachable",
                                   "%s can't be opened for writing: the file and its folder must be writable%s%s",
                                   e->path, system_error ? ": " : "", system_error ? strerror(system_error) : "");
        case SQLITE_CORRUPT:
                return problem_set(why, "sqlite", "unreachable", "%s is damaged: %s", e->path, sqlite3_errmsg(e->db));
        default:
                return problem_set(why, "sqlite", "unreachable", "%s: %s%s%s", e->path,
                                   e->db ? sqlite3_errmsg(e->db) : sqlite3_errstr(code), system_error ? ": " : "",
                                   system_error ? strerror(system_error) : "");
        }
}

/* How long one wait for a lock may last: what an opener gave, or half a second, or no more than a moment when somebody wants to leave. */
static int wait_for_lock(void *engine, int count)
{
        struct sqlite_engine *e = engine;
        const uint64_t now = clock_mono_ms();
        if (count == 0)
                e->locked_at_ms = now;
        const uint64_t patience = atomic_load(&e->leaving) && e->patience_ms > 1000 ? 1000 : e->patience_ms;
        if (now - e->locked_at_ms >= patience)
                return 0;
        e->random = e->random * UINT64_C(6364136223846793005) + 1442695040888963407;
        const unsigned most = count < 20 ? 500 : 4000;
        usleep((useconds_t)(100 + (e->random >> 33) % most));
        return 1;
}

/* Two that open a new file at once: one of them is told "busy" without waiting. */
static int use_log(struct sqlite_engine *e)
{
        const uint64_t start = clock_mono_ms();
        int code;
        for (;;) {
                code = sqlite3_exec(e->db, "pragma journal_mode=wal", NULL, NULL, NULL);
                if ((code & 0xff) != SQLITE_BUSY || clock_mono_ms() - start >= e->patience_ms)
                        return code;
                usleep(5000);
        }
}

static int is_ours(struct sqlite_engine *e, bool *empty, struct problem *why)
{
        int64_t id = 0, tables = 0;
        int code = one_number(e->db, "pragma application_id", &id);
        if (!code)
                code = one_number(e->db, "select count(*) from sqlite_master", &tables);
        if (code)
                return sqlite_open_explain(e, code, why);
        *empty = id == 0 && tables == 0;
        if (*empty || id == APPLICATION_ID)
                return 0;
        return problem_set(why, "sqlite", "not_chard",
                           "%s is some other program's SQLite database: choose another file", e->path);
}

/* After each commit: how long the log is now. */
static int note_log(void *engine, sqlite3 *db, const char *name, int pages)
{
        struct sqlite_engine *e = engine;
        (void)db;
        (void)name;
        if (pages < e->log_tried)
                e->log_tried = 0; /* it was started anew */
        e->log_pages = pages;
        return SQLITE_OK;
}

static int open_connection(struct sqlite_engine *e, struct problem *why)
{
        int code = sqlite3_open_v2(e->path, &e->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                                   NULL);
        if (!code)
                code = sqlite3_busy_handler(e->db, wait_for_lock, e);
        return code ? sqlite_open_explain(e, code, why) : 0;
}

static int sqlite_open_missing(const struct sqlite_engine *e, struct problem *why)
{
        return problem_set(why, "sqlite", "schema_missing",
                           "%s holds nothing of chard's yet: `chard migrate` or `chard dev` makes it", e->path);
}

/* ---- migrations ---- */

static int set_up(struct sqlite_engine *e)
{
        return sqlite3_exec(
                e->db,
                "pragma application_id=" TEXT_OF(
                        APPLICATION_ID) ";"
                                        "create table if not exists part (name text primary key, version integer not null) strict, without rowid",
                NULL, NULL, NULL);
}

/* 0 when the part has no tables yet. */
static int part_version(sqlite3 *db, const char *name, int64_t *version)
{
        sqlite3_stmt *statement = NULL;
        int64_t exists = 0;
        *version = 0;
        int code = one_number(db, "select count(*) from sqlite_master where type = 'table' and name = 'part'", &exists);
        if (code || !exists)
                return code;
        code = sqlite3_prepare_v2(db, "select version from part where name = ?1", -1, &statement, NULL);
        if (!code)
                code = sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
        if (!code)
                code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
                *version = sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
        return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static int write_version(sqlite3 *db, const struct sqlite_part *part)
{
        char *sql = sqlite3_mprintf("insert into part values (%Q, %d) on conflict (name) do update set version = %d",
                                    part->name, (int)part->count, (int)part->count);
        const int code = sql ? sqlite3_exec(db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;
        sqlite3_free(sql);
        return code;
}

static int too_new(const struct sqlite_engine *e, const struct sqlite_part *part, int64_t version, struct problem *why)
{
        return problem_set(
                why, "sqlite", "schema_too_new",
                "%s was written by a newer chard (%s tables of version %lld; this program knows %zu): update chard",
                e->path, part->name, (long long)version, part->count);
}

/* Inside a transaction. */
static int sqlite_open_apply(struct sqlite_engine *e, const struct sqlite_config *config, int64_t from,
                             struct problem *why)
{
        const struct sqlite_part *part = config->part;
        for (size_t i = (size_t)from; i < part->count; i++) {
                const struct embedded_file *file = &part->migrations[i];
                const int code = sqlite3_exec(e->db, (const char *)file->data, NULL, NULL, NULL);
                if (code && ((code & 0xff) == SQLITE_ERROR || sqlite_is_data(e->db, code)))
                        return problem_set(why, "sqlite", "migration_failed", "%s: %s/%s: %s", e->path, part->name,
                                           file->name, sqlite3_errmsg(e->db));
                if (code)
                        return sqlite_open_explain(e, code, why);
        }
        const int code = write_version(e->db, part);
        return code ? sqlite_open_explain(e, code, why) : 0;
}

static void sqlite_open_say(const struct sqlite_config *config, int64_t from)
{
        char line[200];
        for (size_t i = (size_t)from; config->said && i < config->part->count; i++) {
                snprintf(line, sizeof(line), "applied %s/%s", config->part->name, config->part->migrations[i].name);
                config->said(line, config->arg);
        }
}

/* Another process may have migrated, or turned it into something else, since we looked: look again inside the transaction. */
static int sqlite_open_migrate(struct sqlite_engine *e, const struct sqlite_config *config, struct problem *why)
{
        int64_t version = 0;
        bool empty;
        int code = sqlite3_exec(e->db, "begin immediate", NULL, NULL, NULL);
        if (code)
                return sqlite_open_explain(e, code, why);
        int result = is_ours(e, &empty, why);
        if (!result && ((code = set_up(e)) || (code = part_version(e->db, config->part->name, &version))))
                result = sqlite_open_explain(e, code, why);
        if (!result && version > (int64_t)config->part->count)
                result = too_new(e, config->part, version, why);
        if (!result)
                result = sqlite_open_apply(e, config, version, why);
        if (!result && (code = sqlite3_exec(e->db, "commit", NULL, NULL, NULL)) != SQLITE_OK)
                result = sqlite_open_explain(e, code, why);
        if (!sqlite3_get_autocommit(e->db))
                sqlite3_exec(e->db, "rollback", NULL, NULL, NULL);
        if (!result)
                sqlite_open_say(config, version);
        return result;
}

static int check_part(struct sqlite_engine *e, const struct sqlite_config *config, struct problem *why)
{
        int64_t version;
        const int code = part_version(e->db, config->part->name, &version);
        if (code)
                return sqlite_open_explain(e, code, why);
        if (version > (int64_t)config->part->count)
                return too_new(e, config->part, version, why);
        if (version == (int64_t)config->part->count)
                return 0;
        if (config->migrate)
                return sqlite_open_migrate(e, config, why);
        if (version == 0)
                return sqlite_open_missing(e, why);
        return problem_set(
                why, "sqlite", "schema_too_old",
                "%s was written by an older chard (%s tables of version %lld; this program needs %zu): run `chard migrate`",
                e->path, config->part->name, (long long)version, config->part->count);
}

/* What the opener wants to stand there. */
static int sqlite_open_prepare(struct sqlite_engine *e, const struct sqlite_config *config, struct problem *why)
{
        if (!config->prepare)
                return 0;
        int code = sqlite3_exec(e->db, "begin immediate", NULL, NULL, NULL);
        if (!code)
                code = config->prepare(e->db, config->arg);
        sqlite_statements_reset(e);
        if (!code)
                code = sqlite3_exec(e->db, "commit", NULL, NULL, NULL);
        if (code)
                sqlite_open_explain(e, code, why);
        if (!sqlite3_get_autocommit(e->db))
                sqlite3_exec(e->db, "rollback", NULL, NULL, NULL);
        return code ? 1 : 0;
}

/* With a write-ahead log, whoever has the file open holds a lock on it, at work or frozen: an exclusive one can't be had beside it.
 * Source: SQLite, "PRAGMA locking_mode". */
static int shut_out(struct sqlite_engine *e, struct problem *why)
{
        const int code =
                sqlite3_exec(e->db, "pragma locking_mode=exclusive; begin immediate; commit", NULL, NULL, NULL);
        if ((code & 0xff) != SQLITE_BUSY)
                return code ? sqlite_open_explain(e, code, why) : 0;
        return problem_set(why, "sqlite", "in_use", "%s is in use: stop `chard dev` and every worker on it first",
                           e->path);
}

/* A file may exist and be locked or full only for a statement that writes: that shows in the first group. */
static int open_database(struct sqlite_engine *e, const struct sqlite_config *config, struct problem *why)
{
        bool empty = false;
        if (open_connection(e, why) || (config->alone && shut_out(e, why)) || is_ours(e, &empty, why))
                return 1;
        if (empty && !config->migrate)
                return sqlite_open_missing(e, why);
        int code = use_log(e);
        if (!code)
                code = sqlite3_exec(e->db, settings_sql, NULL, NULL, NULL);
        sqlite3_wal_hook(e->db, note_log, e);
        e->synced = true;
        return code ? sqlite_open_explain(e, code, why) : check_part(e, config, why);
}

int sqlite_open(struct sqlite_engine *e, const struct sqlite_config *config, struct problem *why)
{
        const uint64_t usual = e->patience_ms;
        const bool first = e->db == NULL;
        e->patience_ms = config->timeout_ms;
        int result = first ? open_database(e, config, why) : check_part(e, config, why);
        if (!result)
                result = sqlite_open_prepare(e, config, why);
        e->patience_ms = usual;
        if (result && first)
                sqlite_shut(e);
        else if (first)
                sqlite_watch_open(e);
        return result;
}

void sqlite_shut(struct sqlite_engine *e)
{
        sqlite_statements_free(e);
        sqlite_watch_close(e);
        if (e->db && sqlite3_close(e->db) != SQLITE_OK)
                log_warn("sqlite", "file=%s a statement is still open at its close", e->path);
        e->db = NULL;
}
