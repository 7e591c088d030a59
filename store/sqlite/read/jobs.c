/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs as those see them who do not run them: listing, finding, cancelling. Following is in follow.c. */
#include "store/sqlite/lite.h"

#include "core/json.h"
#include "store/job_cursor.h"

#include <stdlib.h>
#include <string.h>

struct lite_jobs_find_call {
        struct lite_call call; /* its text: the answer */
        char *upto;
        char prefix[];
};

struct list_call {
        struct lite_call call;
        struct job_list_call list;
};

/* ---- list ---- */

static const struct statement *list_sql(const struct job_list_call *c)
{
        const char *state = c->filter.state;

        if (*c->filter.user_id)
                return &lite_sql_job_list_user;
        if (c->open)
                return &lite_sql_job_list_open;
        return c->unlucky || strcmp(state, "FAILURE") == 0 || strcmp(state, "REVOKED") == 0 ? &lite_sql_job_list_unlucky
                                                                                            : &lite_sql_job_list_all;
}

static void bind_list(struct query *q, const struct job_list_call *c, unsigned rows)
{
        const struct job_filter *f = &c->filter;
        const bool until = f->until_ms > 0 && f->until_ms < c->cursor.created_us / 1000;

        query_number(q, until ? f->until_ms * 1000 : c->cursor.created_us);
        query_text(q, until ? "" : c->cursor.root_id);
        query_number(q, f->since_ms * 1000);
        query_number(q, rows);
        query_text(q, f->pipeline);
        query_text(q, f->state);
        query_text(q, f->user_id);
        query_text(q, f->task);
        query_text(q, f->text);
}

enum { LIST_ID, LIST_CREATED = 4, LIST_FITS = 7 }; /* columns */

/* Where the next page begins: behind this row. */
static void list_note(struct answer *page, struct query *q)
{
        struct buffer cursor = { 0 };

        buffer_addf(&cursor, "%lld.%s", (long long)query_read_number(q, LIST_CREATED), query_read_text(q, LIST_ID));
        answer_add(page, answer_job_page, 1, shape_read_cells, &(struct cell){ .bytes = buffer_view(&cursor) });
        page->parts[1].failed = page->parts[1].failed || cursor.failed;
        buffer_free(&cursor);
}

static int lite_run_list(struct sqlite_work *work, sqlite3 *db)
{
        struct list_call *c = (struct list_call *)work;
        const unsigned rows = *c->list.filter.text ? JOB_PAGE_TEXTS : JOB_PAGE_ROWS;
        struct query q = query_of(db, list_sql(&c->list));
        struct answer page = { 0 };
        unsigned looked = 0, found = 0;

        bind_list(&q, &c->list, rows);
        while (found < c->list.filter.limit && query_row(&q)) {
                const bool fits = query_read_number(&q, LIST_FITS);

                if (++looked == rows || (fits && found + 1 == c->list.filter.limit))
                        list_note(&page, &q);
                if (!fits)
                        continue;
                answer_add(&page, answer_job_page, 0, query_read_cell, &q);
                found++;
        }
        answer_add(&page, answer_job_page, 1, shape_read_cells,
                   &(struct cell){ .null = true }); /* counts where there was none */
        const int rc = query_end(&q);

        return lite_end_answer(&c->call.text, &page, answer_job_page, rc);
}

static const struct sqlite_verb list_verb = { .run = lite_run_list, .done = lite_read, .reads = true };

void lite_job_list(struct store *s, const struct job_filter *filter, json_done *done, void *arg)
{
        struct list_call *c = lite_call_new(lite_of(s), sizeof(*c) + job_list_size(filter), (void (*)(void))done, arg);
        struct problem why;

        if (!c) {
                lite_refuse_read(done, arg);
                return;
        }
        if (job_list_copy(filter, &c->list, &why)) {
                done(NULL, &why, arg);
                lite_call_free(&c->call);
                return;
        }
        lite_call_start(&c->call, &list_verb);
}

/* ---- find ---- */

static int jobs_run_find(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_jobs_find_call *c = (struct lite_jobs_find_call *)work;
        struct query q = query_of(db, &lite_sql_job_find);
        int rc;

        query_text(&q, c->prefix);
        query_text(&q, *c->upto ? c->upto : "\x7f");
        rc = lite_answer(&c->call.text, &q);
        if (rc != SQLITE_OK || c->call.text.size > 2)
                return rc;
        q = query_of(db, &lite_sql_job_chained);
        query_text(&q, c->prefix);
        return lite_answer(&c->call.text, &q);
}

static const struct sqlite_verb find_verb = { .run = jobs_run_find, .done = lite_read, .reads = true };

static struct lite_jobs_find_call *find_new(struct store *s, const char *id, json_done *done, void *arg)
{
        const size_t size = strlen(id) + 1;
        struct lite_jobs_find_call *c = lite_call_new(lite_of(s), sizeof(*c) + 2 * size, (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_read(done, arg);
                return NULL;
        }
        memcpy(c->prefix, id, size);
        c->upto = c->prefix + size;
        if (!job_prefix_upto(id, c->upto))
                *c->upto = '\0';
        return c;
}

void lite_job_find(struct store *s, const char *prefix, json_done *done, void *arg)
{
        struct lite_jobs_find_call *c = find_new(s, prefix, done, arg);

        if (c)
                lite_call_start(&c->call, &find_verb);
}

/* ---- of all ---- */

static void bind_now(struct query *q, const void *arg)
{
        (void)arg;
        if (sqlite3_bind_parameter_count(q->statement) > 0)
                query_number(q, lite_now_us());
}

static int lite_run_load(struct sqlite_work *work, sqlite3 *db)
{
        static const struct statement *const parts[] = { &lite_sql_load_held, &lite_sql_workers,
                                                         &lite_sql_load_scheduled, &lite_sql_load_leases };

        return lite_answer_parts(&((struct lite_call *)work)->text, db, answer_load, parts, bind_now, NULL);
}

static int lite_run_figures(struct sqlite_work *work, sqlite3 *db)
{
        static const struct statement *const parts[] = { &lite_sql_figures_late, &lite_sql_figures_scheduled,
                                                         &lite_sql_figures_workers, NULL };

        return lite_answer_parts(&((struct lite_call *)work)->text, db, answer_figures, parts, bind_now, NULL);
}

static int lite_run_examine(struct sqlite_work *work, sqlite3 *db)
{
        static const struct statement *const parts[] = { &lite_sql_examine, NULL };

        return lite_answer_parts(&((struct lite_call *)work)->text, db, answer_store, parts, bind_now, NULL);
}

static const struct sqlite_verb load_verb = { .run = lite_run_load, .done = lite_read, .reads = true };
static const struct sqlite_verb figures_verb = { .run = lite_run_figures, .done = lite_read, .reads = true };
static const struct sqlite_verb examine_verb = { .run = lite_run_examine, .done = lite_read, .reads = true };

static void lite_ask_of_all(struct store *s, const struct sqlite_verb *verb, json_done *done, void *arg)
{
        struct lite_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (c)
                lite_call_start(c, verb);
        else
                lite_refuse_read(done, arg);
}

void lite_load(struct store *s, json_done *done, void *arg)
{
        lite_ask_of_all(s, &load_verb, done, arg);
}

void lite_figures(struct store *s, json_done *done, void *arg)
{
        lite_ask_of_all(s, &figures_verb, done, arg);
}

void lite_examine(struct store *s, json_done *done, void *arg)
{
        lite_ask_of_all(s, &examine_verb, done, arg);
}

/* ---- cancel ---- */

static int cancel_answer(struct lite_jobs_find_call *c, const char *state, int revoked, struct bytes ids, int rc)
{
        const struct cell cells[] = { { .bytes = bytes_of_string(state) }, { .number = revoked }, { .bytes = ids } };

        return lite_answer_cells(&c->call.text, answer_cancelled, cells, rc);
}

static int revoke_tasks(struct lite_jobs_find_call *c, sqlite3 *db)
{
        const int64_t now_us = lite_now_us();
        struct query q = query_of(db, &lite_sql_job_revoke);
        struct buffer ids = { 0 };
        int rc, revoked = 0;

        buffer_add_byte(&ids, '[');
        query_text(&q, c->prefix);
        query_number(&q, now_us);
        while (query_row(&q)) {
                buffer_add_string(&ids, revoked++ ? "," : "");
                json_write_text(query_read_bytes(&q, 0), &ids);
        }
        rc = query_end(&q);
        buffer_add_byte(&ids, ']');
        if (ids.failed && rc == SQLITE_OK)
                rc = SQLITE_NOMEM;
        rc = cancel_answer(c, "REVOKED", revoked, buffer_view(&ids), rc);
        buffer_free(&ids);
        if (rc != SQLITE_OK)
                return rc;
        q = query_of(db, &lite_sql_job_end);
        query_text(&q, c->prefix);
        query_number(&q, now_us);
        return query_run(&q);
}

static int lite_run_cancel(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_jobs_find_call *c = (struct lite_jobs_find_call *)work;
        struct query q = query_of(db, &lite_sql_job_ended);
        bool ended = false;
        int rc;

        query_text(&q, c->prefix);
        if (query_row(&q)) {
                const char *state = query_read_text(&q, 0);

                ended = strcmp(state, "SUCCESS") == 0 || strcmp(state, "FAILURE") == 0 || strcmp(state, "REVOKED") == 0;
                if (ended)
                        cancel_answer(c, state, 0, bytes_of_string("[]"), SQLITE_OK);
        }
        rc = query_end(&q);
        if (rc == SQLITE_OK && ended && c->call.text.failed)
                rc = SQLITE_NOMEM;
        return rc == SQLITE_OK && !ended ? revoke_tasks(c, db) : rc;
}

static const struct sqlite_verb cancel_verb = { .run = lite_run_cancel, .done = lite_read, .asks = true };

void lite_job_cancel(struct store *s, const char *root_id, json_done *done, void *arg)
{
        struct lite_jobs_find_call *c = find_new(s, root_id, done, arg);

        if (c)
                lite_call_start(&c->call, &cancel_verb);
}
