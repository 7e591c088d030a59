/* SPDX-License-Identifier: Apache-2.0 */
/* One transaction for all the work that waits. */
#include "core/clock.h"
#include "core/sqlite_engine.h"

/* Neighbours wait for one another: so many at most, and running for no longer than this before the commit. */
enum { GROUP_MAX = 2000, GROUP_US = 20000 };

/* How a group is run: straight on, or each piece apart so that a bad one harms only itself. */
enum mode { TOGETHER, APART };

bool sqlite_is_trouble(int code)
{
        switch (code & 0xff) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_NOMEM:
        case SQLITE_READONLY:
        case SQLITE_INTERRUPT:
        case SQLITE_IOERR:
        case SQLITE_CORRUPT:
        case SQLITE_FULL:
        case SQLITE_CANTOPEN:
        case SQLITE_PROTOCOL:
        case SQLITE_NOTADB: return true;
        default: return false;
        }
}

/* What the waiting works need. */
struct needs {
        bool write, sync;
};

/* How many of them may go together: up to the next control. */
static unsigned measure(const struct sqlite_engine *e, struct needs *needs)
{
        unsigned count = 0;
        *needs = (struct needs){ 0 };
        for (const struct sqlite_work *w = e->first; w && w->verb && count < GROUP_MAX; count++) {
                needs->write = needs->write || !w->verb->reads;
                needs->sync = needs->sync || !(w->verb->reads || w->verb->loose);
                w = (const struct sqlite_work *)w->mail.next;
        }
        return count;
}

/* Without it, a commit is in the log, but maybe not yet on the disk. Can't change inside a transaction. */
static int set_sync(struct sqlite_engine *e, bool sync)
{
        if (e->synced == sync)
                return SQLITE_OK;
        const int code =
                sqlite3_exec(e->db, sync ? "pragma synchronous=full" : "pragma synchronous=normal", NULL, NULL, NULL);
        if (!code)
                e->synced = sync;
        return code;
}

static const char *code_name(int code, char out[24])
{
        switch (code & 0xff) {
        case SQLITE_CONSTRAINT: return "constraint";
        case SQLITE_TOOBIG: return "too_big";
        default: snprintf(out, 24, "sqlite_%d", code); return out;
        }
}

static void refuse(struct sqlite_engine *e, struct sqlite_work *w, int code)
{
        char name[24];
        const bool said = (sqlite3_errcode(e->db) & 0xff) == (code & 0xff);
        if (!w->why.code[0])
                problem_set(&w->why, "sqlite", code_name(code, name), "the database refused it: %s",
                            said ? sqlite3_errmsg(e->db) : sqlite3_errstr(code));
        w->end = SQLITE_END_REFUSED;
}

static int run_one(struct sqlite_engine *e, struct sqlite_work *w)
{
        w->end = SQLITE_END_COMMITTED;
        w->why.code[0] = 0;
        const int code = w->verb->run(w, e->db);
        if (code != SQLITE_OK && !sqlite_is_trouble(code))
                refuse(e, w, code);
        sqlite_statements_reset(e);
        return code;
}

static int run_apart(struct sqlite_engine *e, struct sqlite_work *w)
{
        int code = sqlite_exec(e->db, "savepoint piece");
        if (code)
                return code;
        code = run_one(e, w);
        if (code && sqlite_is_trouble(code))
                return code;
        if (code && (code = sqlite_exec(e->db, "rollback to piece")) != SQLITE_OK)
                return code;
        return sqlite_exec(e->db, "release piece");
}

/* Who has changed something: NULL for nobody, and `several` when it is more than one handle. */
struct writers {
        struct sqlite_file *one;
        bool several;
};

static void note_writer(struct writers *who, struct sqlite_file *file)
{
        if (who->one && who->one != file)
                who->several = true;
        who->one = file;
}

/* Run up to *count works; *count becomes how many were. */
static int run_all(struct sqlite_engine *e, unsigned *count, enum mode mode, struct writers *who)
{
        const uint64_t until = clock_mono_us() + GROUP_US;
        struct sqlite_work *w = e->first;
        unsigned i;
        *who = (struct writers){ 0 };
        for (i = 0; i < *count && (i == 0 || clock_mono_us() < until); i++) {
                const sqlite3_int64 before = sqlite3_total_changes64(e->db);
                const int code = mode == APART ? run_apart(e, w) : run_one(e, w);
                if (code)
                        return code;
                if (sqlite3_total_changes64(e->db) != before)
                        note_writer(who, w->file);
                w = (struct sqlite_work *)w->mail.next;
        }
        *count = i;
        return SQLITE_OK;
}

static int transact(struct sqlite_engine *e, unsigned *count, struct needs needs, enum mode mode, struct writers *who)
{
        int code = needs.write ? set_sync(e, needs.sync) : SQLITE_OK;
        if (!code)
                code = needs.write ? sqlite_exec(e->db, "begin immediate") : sqlite_exec(e->db, "begin");
        if (!code)
                code = run_all(e, count, mode, who);
        if (!code)
                code = sqlite_exec(e->db, "commit");
        if (code && !sqlite3_get_autocommit(e->db))
                sqlite_exec(e->db, "rollback");
        return code;
}

/* Take the first `count` works out of the waiting ones, as they ended. */
static void answer(struct sqlite_engine *e, unsigned count, uint64_t took_us)
{
        while (count-- > 0 && e->first) {
                struct sqlite_work *w = e->first;
                w->took_us = w->file->done_first ? 0 : took_us;
                e->first = (struct sqlite_work *)w->mail.next;
                if (!e->first)
                        e->last = NULL;
                sqlite_end(w, w->end);
        }
}

static void touch_others(struct sqlite_engine *e, const struct writers *who)
{
        for (struct sqlite_file *f = e->files; who->one && f; f = f->next)
                if (who->several || f != who->one) {
                        atomic_store(&f->touched, true);
                        sqlite_wake(f);
                }
}

int sqlite_group(struct sqlite_engine *e)
{
        struct needs needs;
        struct writers who = { 0 };
        const uint64_t began_us = clock_mono_us();
        const unsigned all = measure(e, &needs);
        unsigned count = all;
        int code = transact(e, &count, needs, TOGETHER, &who);
        if (code && !sqlite_is_trouble(code) && all > 1) {
                count = all;
                code = transact(e, &count, needs, APART, &who);
        }
        if (code && !sqlite_is_trouble(code)) { /* alone, or at the commit: one at a time from here */
                count = 1;
                code = transact(e, &count, needs, TOGETHER, &who);
        }
        if (code && sqlite_is_trouble(code))
                return code;
        if (code) { /* it failed alone */
                count = 1;
                refuse(e, e->first, code);
        }
        answer(e, count, clock_mono_us() - began_us);
        touch_others(e, &who);
        return SQLITE_OK;
}
