/* SPDX-License-Identifier: Apache-2.0 */
/* One transaction for all the work that waits. */
#include "core/clock.h"

#include "core/log.h"
#include "core/sqlite/engine.h"

/* Neighbours wait for one another: so many at most, and running for no longer than this before the commit. */
enum { GROUP_MAX = 2000, GROUP_US = 20000 };

/* How a group is run: straight on, or each piece apart so that a bad one harms only itself. */
enum mode { TOGETHER, APART };

/* How far a transaction came. */
enum stage { AT_BEGIN, AT_PIECE, AT_COMMIT };

/* From this many failures in a row on, a work that can't be committed alone lets the others of the file go first. */
enum { PATIENCE = 8 };

/* Who has changed something: NULL for nobody, and `several` when it is more than one handle. */
struct writers {
        struct sqlite_file *one;
        bool several;
};

/* One transaction: over how many works, and how it went. */
struct pass {
        unsigned count; /* that were run, in the end; at AT_PIECE the last one of them not included */
        enum mode mode;
        enum stage stage;
        struct writers who;
};

/* What the waiting works need. */
struct needs {
        bool write, sync, apart;
};

/* How many of them may go together: up to the next control. */
static unsigned sqlite_group_measure(const struct sqlite_engine *e, struct needs *needs, unsigned most)
{
        unsigned count = 0;
        *needs = (struct needs){ 0 };
        for (const struct sqlite_work *w = e->first; w && w->verb && count < most; count++) {
                needs->write = needs->write || !w->verb->reads;
                needs->apart = needs->apart || w->setback.tries > 0;
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

static void sqlite_group_refuse(struct sqlite_engine *e, struct sqlite_work *w, int code)
{
        char name[24];
        const bool said = (sqlite3_errcode(e->db) & 0xff) == (code & 0xff);
        if (!w->why.code[0])
                problem_set(&w->why, "sqlite", code_name(code, name), "the database refused it: %s",
                            said ? sqlite3_errmsg(e->db) : sqlite3_errstr(code));
        w->end = SQLITE_END_REFUSED;
}

static void set_back(const struct sqlite_engine *e, struct sqlite_work *w, int code)
{
        char text[SQLITE_WHY_SIZE];
        sqlite_describe(e, code, text);
        problem_set(&w->why, "sqlite", "waits", "%s", text);
        w->setback.code = code;
}

static int run_one(struct sqlite_engine *e, struct sqlite_work *w)
{
        w->end = SQLITE_END_COMMITTED;
        w->why.code[0] = 0;
        w->setback.code = SQLITE_OK;
        const int code = w->verb->run(w, e->db);
        if (code != SQLITE_OK && (w->why.code[0] || sqlite_is_data(e->db, code)))
                sqlite_group_refuse(e, w, code);
        else if (code != SQLITE_OK)
                set_back(e, w, code);
        sqlite_statements_reset(e);
        return code;
}

/* Some errors end the whole transaction: then it returns why. */
static int run_apart(struct sqlite_engine *e, struct sqlite_work *w)
{
        int code = sqlite_exec(e->db, "savepoint piece");
        if (code)
                return code;
        code = run_one(e, w);
        if (code && sqlite3_get_autocommit(e->db))
                return code;
        if (code && (code = sqlite_exec(e->db, "rollback to piece")) != SQLITE_OK)
                return code;
        return sqlite_exec(e->db, "release piece");
}

static void note_writer(struct writers *who, struct sqlite_file *file)
{
        if (who->one && who->one != file)
                who->several = true;
        who->one = file;
}

/* Run up to p->count works; it becomes how many were. */
static int run_all(struct sqlite_engine *e, struct pass *p)
{
        const uint64_t until = clock_mono_us() + GROUP_US;
        const unsigned most = p->count;
        struct sqlite_work *w = e->first;
        for (p->count = 0; p->count < most && (p->count == 0 || clock_mono_us() < until); p->count++) {
                const sqlite3_int64 before = sqlite3_total_changes64(e->db);
                const int code = p->mode == APART ? run_apart(e, w) : run_one(e, w);
                if (code)
                        return code;
                if (sqlite3_total_changes64(e->db) != before)
                        note_writer(&p->who, w->file);
                w = (struct sqlite_work *)w->mail.next;
        }
        return SQLITE_OK;
}

static int sqlite_group_transact(struct sqlite_engine *e, struct needs needs, struct pass *p)
{
        int code = needs.write ? set_sync(e, needs.sync) : SQLITE_OK;
        p->stage = AT_BEGIN;
        if (!code)
                code = needs.write ? sqlite_exec(e->db, "begin immediate") : sqlite_exec(e->db, "begin");
        if (code)
                return code;
        p->stage = AT_PIECE;
        code = run_all(e, p);
        if (!code) {
                p->stage = AT_COMMIT;
                code = sqlite_exec(e->db, "commit");
        }
        if (code && !sqlite3_get_autocommit(e->db))
                sqlite_exec(e->db, "rollback");
        return code;
}

static int transact_apart(struct sqlite_engine *e, struct needs needs, unsigned count, struct pass *p)
{
        *p = (struct pass){ .count = count, .mode = APART };
        return sqlite_group_transact(e, needs, p);
}

static struct sqlite_work *sqlite_group_take(struct sqlite_engine *e)
{
        struct sqlite_work *w = e->first;
        e->first = (struct sqlite_work *)w->mail.next;
        if (!e->first)
                e->last = NULL;
        w->mail.next = NULL;
        return w;
}

static void put_first(struct sqlite_engine *e, struct sqlite_work *w)
{
        w->mail.next = e->first ? &e->first->mail : NULL;
        if (!e->first)
                e->last = w;
        e->first = w;
}

static void sqlite_group_succeeded(struct sqlite_engine *e, struct sqlite_work *w)
{
        if (w->setback.alone && w->end == SQLITE_END_COMMITTED)
                log_info("sqlite", "file=%s %s: what waited alone is stored, after %u tries", e->path,
                         w->verb->name ? w->verb->name : "work", w->setback.tries + 1);
        if (w->end == SQLITE_END_COMMITTED)
                sqlite_overtake(e, w->verb);
        w->took_us = w->file->done_first ? 0 : clock_mono_us() - e->began_us;
        sqlite_end(w, w->end);
}

/* Those who were set back learn first who was stored beside them. */
static void note_overtaken(struct sqlite_work *failed, const struct sqlite_verb *verb)
{
        for (; failed; failed = (struct sqlite_work *)failed->mail.next)
                failed->setback.overtaken = failed->setback.overtaken || failed->verb == verb;
}

static void park_all(struct sqlite_engine *e, struct sqlite_work *failed)
{
        while (failed) {
                struct sqlite_work *next = (struct sqlite_work *)failed->mail.next;
                sqlite_park(e, failed);
                failed = next;
        }
}

/* Take the first `count` works out of the waiting ones, as they ended. `failed`: one that is out already, or NULL. */
static void sqlite_group_answer(struct sqlite_engine *e, unsigned count, struct sqlite_work *failed)
{
        struct sqlite_work *ended = NULL, **end = &ended;
        while (count-- > 0 && e->first) {
                struct sqlite_work *w = sqlite_group_take(e);
                if (w->setback.code) {
                        w->mail.next = failed ? &failed->mail : NULL;
                        failed = w;
                } else {
                        *end = w;
                        end = (struct sqlite_work **)&w->mail.next;
                }
        }
        while (ended) {
                struct sqlite_work *w = ended;
                ended = (struct sqlite_work *)w->mail.next;
                if (w->end == SQLITE_END_COMMITTED)
                        note_overtaken(failed, w->verb);
                sqlite_group_succeeded(e, w);
        }
        park_all(e, failed);
}

static void touch_others(struct sqlite_engine *e, const struct writers *who)
{
        for (struct sqlite_file *f = e->files; who->one && f; f = f->next)
                if (who->several || f != who->one) {
                        atomic_store(&f->touched, true);
                        sqlite_wake(f);
                }
}

static int sqlite_group_finish(struct sqlite_engine *e, const struct pass *p, struct sqlite_work *failed)
{
        e->most = 4 * e->most < GROUP_MAX ? 4 * e->most : GROUP_MAX;
        sqlite_group_answer(e, p->count, failed);
        touch_others(e, &p->who);
        return SQLITE_OK;
}

/* The first one ends every transaction that it is in, or can't be committed even alone: is it for itself, or for the file? Others will show. */
static int without_first(struct sqlite_engine *e, int code)
{
        struct needs needs;
        struct pass p;
        struct sqlite_work *first = sqlite_group_take(e);
        const unsigned others = sqlite_group_measure(e, &needs, e->most);
        set_back(e, first, code);
        if (others > 0 && needs.write && transact_apart(e, needs, others, &p) == SQLITE_OK)
                return sqlite_group_finish(e, &p, first);
        if (e->failures < PATIENCE)
                put_first(e, first);
        else
                sqlite_append(e, first);
        return code;
}

static int refuse_first(struct sqlite_engine *e, int code)
{
        const struct pass p = { .count = 1 };
        sqlite_group_refuse(e, e->first, code);
        return sqlite_group_finish(e, &p, NULL);
}

/* The commit failed: less may fit. */
static int commit_less(struct sqlite_engine *e, const struct pass *p, int code)
{
        if (p->count > 1) {
                e->most = p->count / 4 + 1;
                return code;
        }
        return sqlite_is_data(e->db, code) ? refuse_first(e, code) : without_first(e, code);
}

int sqlite_group(struct sqlite_engine *e)
{
        struct needs needs;
        if (e->most == 0)
                e->most = GROUP_MAX;
        e->began_us = clock_mono_us();
        const unsigned all = sqlite_group_measure(e, &needs, e->most);
        struct pass p = { .count = all, .mode = needs.apart ? APART : TOGETHER };
        int code = sqlite_group_transact(e, needs, &p);
        if (code && p.stage == AT_PIECE && p.mode == TOGETHER)
                code = transact_apart(e, needs, all, &p);
        if (code && p.stage == AT_PIECE && p.count > 0) /* one ended the transaction: those before it go without it */
                code = transact_apart(e, needs, p.count, &p);
        if (!code)
                return sqlite_group_finish(e, &p, NULL);
        if (p.stage == AT_BEGIN)
                return code;
        return p.stage == AT_COMMIT ? commit_less(e, &p, code) : without_first(e, code);
}
