/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters: pages of them. */
#include "store/sqlite/dead/dead.h"

#include "core/text/utf8.h"

#include <stdlib.h>

enum {
        ENTRY,
        DIED,
        KEPT,
        SETTLED,
        ATTEMPTS,
        ROUNDS,
        BODY_SIZE,
        FIRST_TEXT,
        TEXTS = 17,
        TASK_STANDING = FIRST_TEXT + TEXTS,
        PROPERTIES,
        BODY,
        EDITED,
        VERSION
};

/* SQLite stores any bytes as text; who reads gets UTF-8. */
static const char *copy_text(struct dead_call *c, struct query *q, int column)
{
        const char *text = query_read_text(q, column);
        char *copy = arena_string(&c->read, text ? text : "");

        if (copy)
                utf8_repair(copy, false);
        return copy;
}

/* Data NULL for null, and where memory ran out; that shows in `ok`. */
static struct bytes copy_bytes(struct dead_call *c, struct query *q, int column, bool *ok)
{
        struct bytes value = query_read_bytes(q, column);

        if (!value.data)
                return value;
        value.data = value.size > 0 ? arena_copy(&c->read, value.data, value.size) : arena_alloc(&c->read, 1);
        *ok = *ok && value.data;
        return value;
}

static bool read_letter(struct dead_call *c, struct query *q, struct dead_letter *l)
{
        const char **const texts[TEXTS] = { &l->state,    &l->task_id,      &l->root_id,    &l->name,
                                            &l->queue,    &l->error_source, &l->error_code, &l->error_message,
                                            &l->group,    &l->cause,        &l->trace_id,   &l->user_id,
                                            &l->worker,   &l->next_task,    &l->verdict,    &l->task_state,
                                            &l->job_state };
        const int64_t standing = query_read_number(q, TASK_STANDING);
        bool ok = true;

        *l = (struct dead_letter){
                .waits = standing & 1,
                .followed = standing & 2,
                .leased = standing & 4,
                .entry = query_read_number(q, ENTRY),
                .died_ms = query_read_number(q, DIED) / 1000,
                .kept_ms = query_read_number(q, KEPT) / 1000,
                .settled_ms = query_read_number(q, SETTLED) / 1000,
                .attempts = (unsigned)query_read_number(q, ATTEMPTS),
                .rounds = (unsigned)query_read_number(q, ROUNDS),
                .body_size = query_read_number(q, BODY_SIZE),
                .version = query_read_number(q, VERSION),
        };
        for (int i = 0; i < TEXTS; i++) {
                *texts[i] = copy_text(c, q, FIRST_TEXT + i);
                ok = ok && *texts[i];
        }
        l->properties = copy_bytes(c, q, PROPERTIES, &ok);
        l->body = copy_bytes(c, q, BODY, &ok);
        l->edited = copy_bytes(c, q, EDITED, &ok);
        return ok;
}

static bool dead_page_grow(struct dead_call *c)
{
        size_t capacity = c->capacity > 0 ? 2 * c->capacity : 64;
        struct dead_letter *grown;

        if (c->count < c->capacity)
                return true;
        grown = realloc(c->letters, capacity * sizeof(*grown));
        if (!grown)
                return false;
        c->letters = grown;
        c->capacity = capacity;
        return true;
}

static size_t dead_page_size_of(const struct dead_letter *l)
{
        return l->properties.size + l->body.size + l->edited.size;
}

static int lite_run_page(struct sqlite_work *work, sqlite3 *db)
{
        struct dead_call *c = (struct dead_call *)work;
        const struct dead_query *query = &c->query;
        struct query q = query_of(db, c->sql);
        size_t size = 0, most = query->content && query->max_bytes > 0 ? query->max_bytes : SIZE_MAX;
        bool ok = true;
        int rc;

        arena_free(&c->read);
        c->count = 0;
        dead_bind_filter(&q, c);
        query_number(&q, query->limit);
        query_number(&q, query->offset);
        query_number(&q, query->content | query->plain << 1);
        if (c->sql == &lite_sql_dead_page)
                query_number(&q, (int64_t)query->sort * 2 + query->descending);
        while (ok && size < most && query_row(&q)) {
                ok = dead_page_grow(c) && read_letter(c, &q, &c->letters[c->count]);
                if (ok)
                        size += dead_page_size_of(&c->letters[c->count++]);
        }
        rc = query_end(&q);
        return rc == SQLITE_OK && !ok ? SQLITE_NOMEM : rc;
}

static void page_read(struct sqlite_work *work, enum sqlite_end end, const struct problem *said)
{
        struct dead_call *c = (struct dead_call *)work;
        struct problem why;
        bool done;

        end = lite_call_end(&c->call, end);
        done = end == SQLITE_END_COMMITTED;
        lite_why(&c->call, end, said, &why);
        ((dead_page_done *)c->call.done)(done ? c->letters : NULL, done ? c->count : 0, done ? NULL : &why,
                                         c->call.arg);
        lite_call_free(&c->call);
}

static const struct sqlite_verb verb = { .run = lite_run_page, .done = page_read, .reads = true };

void lite_dead_read(struct store *s, const struct dead_query *query, dead_page_done *done, void *arg)
{
        struct dead_call *c = dead_call_new(lite_of(s), &query->filter, (void (*)(void))done, arg);
        struct dead_filter own;
        struct problem why;

        if (!c) {
                problem_set(&why, "store", "out_of_memory", "out of memory");
                done(NULL, 0, &why, arg);
                return;
        }
        own = c->query.filter;
        c->query = *query;
        c->query.filter = own;
        if (!*own.state || own.entry_count > 0 || query->sort != DEAD_BY_ENTRY)
                c->sql = &lite_sql_dead_page;
        else
                c->sql = query->descending ? &lite_sql_dead_back : &lite_sql_dead_along;
        lite_call_start(&c->call, &verb);
}
