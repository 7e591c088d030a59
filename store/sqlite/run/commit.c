/* SPDX-License-Identifier: Apache-2.0 */
/* commit: result, document, events and facts of a finished task. What can be wrong with them is looked for first, so
 * that a refused or stale commit has written nothing. */
#include "store/sqlite/run/effects.h"

#include "core/text/utf8.h"

#include <stdlib.h>

struct commit_call {
        struct lite_call call; /* its text: the result that is there already */
        const struct commit *what;
        struct lite_effects effects;
        struct buffer chain,
                sends; /* JSON texts of what follows, and of what is sent, each with a NUL behind it; or none */
};

/* ---- before anything is written ---- */

static bool is_ascii(struct bytes text)
{
        unsigned char all = 0;

        for (size_t i = 0; i < text.size; i++)
                all |= text.data[i];
        return all < 0x80;
}

/* SQLite keeps whatever it is given as text. */
static int commit_find_fault(struct bytes result, const char **fault)
{
        struct buffer text = { 0 };
        int rc = SQLITE_OK;

        if (result.size > 0 && memchr(result.data, '\0', result.size)) {
                *fault = "the result holds a NUL byte";
                return SQLITE_OK;
        }
        if (is_ascii(result))
                return SQLITE_OK;
        buffer_add(&text, result.data, result.size);
        buffer_add_byte(&text, '\0');
        if (text.failed)
                rc = SQLITE_NOMEM;
        else if (!utf8_is((const char *)text.data))
                *fault = "the result is not UTF-8";
        buffer_free(&text);
        return rc;
}

/* The row's `replaced` after the commit. */
static unsigned replaced_of(const struct commit *commit)
{
        return commit->nesting + (commit->result.size ? 0 : 1);
}

/* None is NULL: the task is replaced. */
static void query_result(struct query *q, const struct commit *commit)
{
        if (commit->result.size)
                query_text_bytes(q, commit->result);
        else
                query_text(q, NULL);
}

static int commit_look(struct commit_call *c, sqlite3 *db)
{
        struct query q = query_of(db, &lite_sql_commit_look);

        query_text(&q, c->what->id);
        query_result(&q, c->what);
        query_number(&q, replaced_of(c->what) - (c->what->result.size ? 0 : 1));
        if (query_row(&q)) {
                struct bytes before = query_read_bytes(&q, 1);

                if (query_read_number(&q, 2) == 0)
                        c->call.refused = "the result is not valid JSON";
                else if (query_read_number(&q, 0) != 0) /* revoked: the next claim says so */
                        c->call.result = query_read_number(&q, 0) == 1 ? STORE_ALREADY : STORE_STALE;
                else if (query_read_number(&q, 3) != 0)
                        c->call.result = STORE_STALE; /* its replacement has begun */
                if (before.data)
                        buffer_add(&c->call.text, before.data, before.size);
        }
        return query_end(&q);
}

/* ---- writing ---- */

static int write_task(const struct commit_call *c, sqlite3 *db, int64_t now_us)
{
        const struct commit *commit = c->what;
        struct query q = query_of(db, &lite_sql_commit_task);

        query_text(&q, commit->id);
        query_text(&q, commit->root_id);
        query_text(&q, commit->name ? commit->name : "");
        query_result(&q, commit);
        query_text(&q, commit->provider);
        query_text(&q, commit->model);
        query_number(&q, commit->tokens_in);
        query_number(&q, commit->tokens_out);
        query_number(&q, commit->cost_nano);
        query_number(&q, commit->elapsed_ms);
        query_number(&q, now_us);
        query_number(&q, replaced_of(commit));
        query_text(&q, (const char *)c->sends.data);
        query_text(&q, commit->result.size ? commit->chord_part : NULL);
        return query_run(&q);
}

static int write_job(const struct commit_call *c, sqlite3 *db, int64_t now_us)
{
        const struct commit *commit = c->what;
        struct query q = query_of(db, &lite_sql_commit_job);

        query_text(&q, commit->root_id);
        query_text(&q, commit->pipeline ? commit->pipeline : "");
        query_number(&q, (int64_t)commit->branches - 1);
        query_result(&q, commit);
        query_number(&q, now_us);
        query_text(&q, (const char *)c->chain.data);
        query_text(&q, commit->id);
        return query_run(&q);
}

static int write_all(const struct commit_call *c, sqlite3 *db, int64_t now_us)
{
        int rc = write_task(c, db, now_us);

        if (rc == SQLITE_OK && c->what->has_job)
                rc = write_job(c, db, now_us);
        return rc == SQLITE_OK ? effects_write(&c->effects, db, now_us) : rc;
}

static int lite_run_commit(struct sqlite_work *work, sqlite3 *db)
{
        struct commit_call *c = (struct commit_call *)work;
        bool stale = false;
        int rc = SQLITE_OK;

        buffer_reset(&c->call.text);
        c->call.result = STORE_DONE;
        if (!c->call.refused)
                rc = commit_find_fault(c->what->result, &c->call.refused);
        if (rc != SQLITE_OK || c->call.refused)
                return rc;
        rc = commit_look(c, db);
        if (rc == SQLITE_OK && c->call.text.failed)
                rc = SQLITE_NOMEM;
        if (rc == SQLITE_OK && !c->call.refused && c->call.result == STORE_DONE)
                rc = effects_look(&c->effects, db, &stale);
        if (stale)
                c->call.result = STORE_STALE;
        if (rc != SQLITE_OK || c->call.refused || c->call.result != STORE_DONE)
                return rc;
        return write_all(c, db, lite_now_us());
}

static const char *commit_about(const struct sqlite_work *work)
{
        return ((const struct commit_call *)work)->what->id;
}

static const struct sqlite_verb verb = {
        .run = lite_run_commit, .done = lite_stored, .name = "commit", .about = commit_about
};

/* ---- on the loop thread ---- */

static void commit_clear(struct lite_call *call)
{
        struct commit_call *c = (struct commit_call *)call;

        effects_free(&c->effects);
        buffer_free(&c->chain);
        buffer_free(&c->sends);
}

static bool commit_fill(struct commit_call *c)
{
        if (c->what->chain)
                lite_add_json(&c->chain, c->what->chain);
        if (c->what->sends)
                lite_add_json(&c->sends, c->what->sends);
        c->effects = (struct lite_effects){ .writer = c->what->id,
                                            .root_id = c->what->root_id,
                                            .span_context = c->what->span_context,
                                            .outcome = c->what->outcome };
        return effects_fill(&c->effects) && !c->sends.failed && !c->chain.failed;
}

void lite_commit(struct store *s, const struct commit *commit, store_done *done, void *arg)
{
        struct commit_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_stored(done, arg);
                return;
        }
        c->what = commit;
        c->call.clear = commit_clear;
        if (!commit_fill(c)) {
                lite_call_free(&c->call);
                lite_refuse_stored(done, arg);
                return;
        }
        lite_call_start(&c->call, &verb);
}
