/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters: pages of them. */
#include "store/sqlite/dead.h"

#include "core/text/utf8.h"

#include <stdlib.h>

#define NOW_US "cast((julianday('now') - 2440587.5) * 86400000 as integer) * 1000"

/* Of the task of entry d: 1 a message of it is scheduled, 2 a task that follows it is known, 4 a worker that lives runs it. */
#define STANDING                                                                                                             \
        " exists (select 1 from scheduled w where w.task_id = d.task_id)"                                                    \
        " + 2 * exists (select 1 from task n where n.root_id = d.root_id and n.root_id <> n.id and n.parent_id = d.task_id)" \
        " + 4 * exists (select 1 from task k where k.id = d.task_id and k.lease_until > " NOW_US                             \
        "   and not exists (select 1 from worker w where w.name = k.lease_owner and w.started_at > k.started_at))"

/* What a page gives of an entry; its content (?18 & 1) and its task's and job's states (not ?18 & 2) only where they are wanted. */
#define PAGE                                                                                                              \
        " select d.entry, d.died_at, d.kept_at, d.settled_at, d.attempts, d.rounds, length(c.body), d.state, d.task_id,"  \
        "  d.root_id, d.name, d.queue, d.error_source, d.error_code, d.error_message, d.group_id, d.cause, d.trace_id,"   \
        "  d.user_id, d.worker, d.next_task, d.verdict,"                                                                  \
        "  case when ?18 & 2 = 0 then coalesce((select t.state from task t where t.id = d.task_id), '') else '' end,"     \
        "  case when ?18 & 2 = 0 then coalesce((select j.state from job j where j.root_id = d.root_id), '') else '' end," \
        "  case when ?18 & 2 = 0 and d.task_id <> '' then" STANDING " else 0 end,"                                        \
        "  case when ?18 & 1 then c.properties end, case when ?18 & 1 then c.body end,"                                   \
        "  case when ?18 & 1 or c.edited is null then c.edited else x'' end,"                                             \
        "  case when ?18 & 1 then (select count(*) from dead_letter_act a where a.entry = d.entry) + 1 else 0 end"        \
        " from p cross join dead_letter d on d.entry = p.entry cross join dead_letter_content c on c.entry = p.entry"     \
        " order by p.n"

/* ?19: twice the sort, and one more when it descends. */
#define SORT_NUMBER " case ?19 / 2 when 0 then entry when 1 then died_at when 5 then attempts end"
#define SORT_TEXT   " case ?19 / 2 when 2 then name when 3 then error_code when 4 then queue end"
#define SORT                                                                                                  \
        " case when ?19 % 2 = 0 then" SORT_NUMBER " end, case when ?19 % 2 = 1 then" SORT_NUMBER " end desc," \
        " case when ?19 % 2 = 0 then" SORT_TEXT " end, case when ?19 % 2 = 1 then" SORT_TEXT " end desc, entry"

/* Any filter, any order. */
static const char page_sql[] = "with p as materialized (select entry, row_number() over (order by" SORT
                               ") as n from dead_letter where" DEAD_FILTER " order by n limit ?16 offset ?17)" PAGE;

/* By state, in the order of entries, from one on: what goes through all of them in batches. And the latest ones first. */
#define ALONG "select entry from dead_letter where state = ?2 and entry > ?13 and" DEAD_FILTER
static const char along_sql[] = "with p as materialized (select entry, entry as n from (" ALONG
                                " order by state, entry limit ?16 offset ?17))" PAGE;
static const char back_sql[] = "with p as materialized (select entry, -entry as n from (" ALONG
                               " order by state desc, entry desc limit ?16 offset ?17))" PAGE;

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

static bool make_room(struct dead_call *c)
{
        size_t room = c->room > 0 ? 2 * c->room : 64;
        struct dead_letter *grown;

        if (c->count < c->room)
                return true;
        grown = realloc(c->letters, room * sizeof(*grown));
        if (!grown)
                return false;
        c->letters = grown;
        c->room = room;
        return true;
}

static size_t size_of(const struct dead_letter *l)
{
        return l->properties.size + l->body.size + l->edited.size;
}

static int run_page(struct sqlite_work *work, sqlite3 *db)
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
        if (c->sql == page_sql)
                query_number(&q, (int64_t)query->sort * 2 + query->descending);
        while (ok && size < most && query_row(&q)) {
                ok = make_room(c) && read_letter(c, &q, &c->letters[c->count]);
                if (ok)
                        size += size_of(&c->letters[c->count++]);
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

static const struct sqlite_verb verb = { .run = run_page, .done = page_read, .reads = true };

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
                c->sql = page_sql;
        else
                c->sql = query->descending ? back_sql : along_sql;
        lite_call_start(&c->call, &verb);
}
