/* SPDX-License-Identifier: Apache-2.0 */
/* Backfills; and that nobody reads a file's log, so that there is nothing to look after. */
#include "store/sqlite/lite.h"

#include <inttypes.h>
#include <string.h>

struct lite_cdc_call {
        struct lite_call call; /* its text: the answer */
        int64_t since_ms, until_ms;
        unsigned limit;
        bool until;
        char text[]; /* a position, or a backfill's name */
};

static int lite_run_cdc_look(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_cdc_call *c = (struct lite_cdc_call *)work;

        (void)db;
        buffer_reset(&c->call.text);
        buffer_add_string(&c->call.text, "null");
        return c->call.text.failed ? SQLITE_NOMEM : SQLITE_OK;
}

static int lite_run_cdc_place(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_cdc_call *c = (struct lite_cdc_call *)work;
        struct query q = query_of(db, &lite_sql_cdc_place);

        query_text(&q, c->text);
        query_text(&q, c->until ? "until" : "since");
        query_number(&q, lite_now_us());
        return lite_answer(&c->call.text, &q);
}

static struct query cdc_query(const struct lite_cdc_call *c, sqlite3 *db, const struct statement *statement)
{
        struct query q = query_of(db, statement);

        query_text(&q, c->text);
        query_number(&q, c->since_ms);
        query_number(&q, c->until_ms);
        return q;
}

static int lite_run_cdc_count(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_cdc_call *c = (struct lite_cdc_call *)work;
        struct query q = cdc_query(c, db, &lite_sql_cdc_count);

        return lite_answer(&c->call.text, &q);
}

static int lite_run_cdc_backfill(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_cdc_call *c = (struct lite_cdc_call *)work;
        struct query q = cdc_query(c, db, &lite_sql_cdc_backfill);

        buffer_reset(&c->call.text);
        query_number(&q, c->limit);
        query_number(&q, lite_now_us());
        const int rc = query_run(&q);

        return lite_answer_count(&c->call.text, sqlite3_changes(db), rc);
}

static const struct sqlite_verb cdc_look_verb = { .run = lite_run_cdc_look, .done = lite_read, .reads = true };
static const struct sqlite_verb cdc_place_verb = { .run = lite_run_cdc_place, .done = lite_read, .reads = true };
static const struct sqlite_verb cdc_count_verb = { .run = lite_run_cdc_count, .done = lite_read, .reads = true };
static const struct sqlite_verb cdc_backfill_verb = { .run = lite_run_cdc_backfill,
                                                      .done = lite_read,
                                                      .name = "backfill" };

/* NULL: memory ran out, and `done` has heard so. */
static struct lite_cdc_call *cdc_new(struct store *s, const char *text, json_done *done, void *arg)
{
        const size_t size = strlen(text) + 1;
        struct lite_cdc_call *c = lite_call_new(lite_of(s), sizeof(*c) + size, (void (*)(void))done, arg);

        if (c)
                memcpy(c->text, text, size);
        else
                lite_refuse_read(done, arg);
        return c;
}

void lite_cdc_look(struct store *s, json_done *done, void *arg)
{
        struct lite_cdc_call *c = cdc_new(s, "", done, arg);

        if (c)
                lite_call_start(&c->call, &cdc_look_verb);
}

void lite_cdc_place(struct store *s, const char *position, bool until, json_done *done, void *arg)
{
        struct lite_cdc_call *c = cdc_new(s, position, done, arg);

        if (!c)
                return;
        c->until = until;
        lite_call_start(&c->call, &cdc_place_verb);
}

static void cdc_start(struct store *s, const struct sqlite_verb *verb, const struct backfill *b, json_done *done,
                      void *arg)
{
        struct lite_cdc_call *c = cdc_new(s, b->run, done, arg);

        if (!c)
                return;
        c->since_ms = b->since_ms;
        c->until_ms = b->until_ms;
        c->limit = b->limit;
        lite_call_start(&c->call, verb);
}

void lite_cdc_count(struct store *s, const struct backfill *b, json_done *done, void *arg)
{
        cdc_start(s, &cdc_count_verb, b, done, arg);
}

void lite_cdc_backfill(struct store *s, const struct backfill *b, json_done *done, void *arg)
{
        cdc_start(s, &cdc_backfill_verb, b, done, arg);
}
