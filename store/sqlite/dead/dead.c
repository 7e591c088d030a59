/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters: filing them, and what is done to them. One process writes at a time, so what is looked at first stays true
 * until the transaction ends. */
#include "store/sqlite/dead/dead.h"

#include <stdlib.h>

/* ---- file ---- */

struct file_call {
        struct lite_call call;
        const struct dead_letter *letter;
};

static void bind_key(struct query *q, const unsigned char key[DEAD_KEY_SIZE])
{
        query_blob(q, bytes_of(key, DEAD_KEY_SIZE));
}

static void bind_text(struct query *q, const char *text)
{
        query_text(q, text ? text : "");
}

static int is_known(const struct dead_letter *l, sqlite3 *db, bool *known)
{
        struct query q = query_of(db, &lite_sql_dead_known);

        bind_key(&q, l->key);
        *known = query_row(&q);
        return query_end(&q);
}

/* `entry` 0: none is kept of this task. */
static int find_kept(const struct dead_letter *l, sqlite3 *db, int64_t *entry, int64_t *died_us)
{
        struct query q = query_of(db, &lite_sql_dead_kept);

        *entry = *died_us = 0;
        bind_key(&q, l->same);
        if (query_row(&q)) {
                *entry = query_read_number(&q, 0);
                *died_us = query_read_number(&q, 1);
        }
        return query_end(&q);
}

static int dead_renew(const struct dead_letter *l, sqlite3 *db, int64_t entry)
{
        struct query q = query_of(db, &lite_sql_dead_renew);
        int rc;

        query_number(&q, entry);
        bind_key(&q, l->key);
        query_number(&q, l->died_ms * 1000);
        query_number(&q, l->attempts);
        bind_text(&q, l->error_source);
        bind_text(&q, l->error_code);
        bind_text(&q, l->error_message);
        bind_text(&q, l->group);
        bind_text(&q, l->cause);
        bind_text(&q, l->trace_id);
        bind_text(&q, l->worker);
        bind_text(&q, l->verdict);
        rc = query_run(&q);
        if (rc != SQLITE_OK)
                return rc;
        q = query_of(db, &lite_sql_dead_renew_content);
        query_number(&q, entry);
        query_blob(&q, l->properties);
        return query_run(&q);
}

static int count_rounds(const struct dead_letter *l, sqlite3 *db, int64_t *rounds)
{
        struct query q = query_of(db, &lite_sql_dead_before);

        *rounds = 0;
        bind_text(&q, l->task_id);
        if (l->task_id && *l->task_id && query_row(&q))
                *rounds = query_read_number(&q, 0);
        return query_end(&q);
}

static int insert_letter(const struct dead_letter *l, sqlite3 *db, int64_t rounds)
{
        const char *const texts[] = { l->task_id,    l->root_id,       l->name,      l->queue,  l->error_source,
                                      l->error_code, l->error_message, l->group,     l->cause,  l->trace_id,
                                      l->user_id,    l->worker,        l->next_task, l->verdict };
        struct query q = query_of(db, &lite_sql_dead_insert);

        bind_key(&q, l->key);
        bind_key(&q, l->same);
        query_number(&q, l->died_ms * 1000);
        query_number(&q, lite_now_us());
        query_number(&q, l->attempts);
        query_number(&q, rounds);
        query_number(&q, l->edited.data != NULL);
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                bind_text(&q, texts[i]);
        return query_run(&q);
}

static int insert_content(const struct dead_letter *l, sqlite3 *db)
{
        struct query q = query_of(db, &lite_sql_dead_content);

        query_number(&q, sqlite3_last_insert_rowid(db));
        query_blob(&q, l->properties);
        query_blob(&q, l->body);
        if (l->edited.data)
                query_blob(&q, l->edited);
        return query_run(&q);
}

static int file_new(const struct dead_letter *l, sqlite3 *db)
{
        int64_t rounds;
        int rc = count_rounds(l, db, &rounds);

        if (rc == SQLITE_OK)
                rc = insert_letter(l, db, rounds);
        return rc == SQLITE_OK ? insert_content(l, db) : rc;
}

int lite_file_letter(const struct dead_letter *l, sqlite3 *db, enum store_result *result)
{
        int64_t entry = 0, died_us = 0;
        bool known;
        int rc = is_known(l, db, &known);

        if (rc == SQLITE_OK && !known)
                rc = find_kept(l, db, &entry, &died_us);
        if (rc != SQLITE_OK)
                return rc;
        *result = known || entry != 0 ? STORE_ALREADY : STORE_DONE;
        if (entry != 0)
                return l->died_ms * 1000 > died_us ? dead_renew(l, db, entry) : SQLITE_OK;
        return known ? SQLITE_OK : file_new(l, db);
}

static int lite_run_file(struct sqlite_work *work, sqlite3 *db)
{
        struct file_call *c = (struct file_call *)work;

        return lite_file_letter(c->letter, db, &c->call.result);
}

static const struct sqlite_verb file_verb = { .run = lite_run_file, .done = lite_stored, .name = "dead letter" };

void lite_dead_file(struct store *s, const struct dead_letter *letter, store_done *done, void *arg)
{
        struct file_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_stored(done, arg);
                return;
        }
        c->letter = letter;
        lite_call_start(&c->call, &file_verb);
}

/* ---- audit ---- */

static int lite_dead_audit(const struct lite_call *call, sqlite3 *db, const struct dead_act *act, const char *action,
                           size_t count, int64_t *id)
{
        struct query q = query_of(db, &lite_sql_dead_audit);
        int rc;

        query_number(&q, lite_now_us());
        query_blob(&q, bytes_of(call->key, KEY_SIZE));
        bind_text(&q, act->operation);
        query_text(&q, action);
        bind_text(&q, act->who);
        bind_text(&q, act->reason);
        bind_text(&q, act->scope);
        query_number(&q, (int64_t)count);
        rc = query_run(&q);
        *id = sqlite3_last_insert_rowid(db);
        return rc;
}

static int lite_dead_add_act(sqlite3 *db, int64_t entry, int64_t audit_id)
{
        struct query q = query_of(db, &lite_sql_dead_act);

        query_number(&q, entry);
        query_number(&q, audit_id);
        return query_run(&q);
}

/* ---- settle ---- */

struct lite_dead_settle_call {
        struct lite_call call;
        const struct dead_settle *settle;
        enum dead_outcome outcomes[DEAD_SETTLE_MAX];
};

static int dead_look(const struct dead_settle *settle, size_t i, sqlite3 *db, enum dead_outcome *outcome)
{
        struct query q = query_of(db, &lite_sql_dead_look);

        query_number(&q, settle->items[i].entry);
        query_number(&q, lite_now_us());
        query_number(&q, settle->items[i].version);
        *outcome = dead_outcome_of(settle->action, query_row(&q) ? (unsigned)query_read_number(&q, 0) : 0);
        return query_end(&q);
}

static int lite_run_on_entry(sqlite3 *db, const struct statement *sql, int64_t entry, const int64_t *now_us)
{
        struct query q = query_of(db, sql);

        query_number(&q, entry);
        if (now_us)
                query_number(&q, *now_us);
        return query_run(&q);
}

/* False when memory ran out: without its ids the message would be nobody's. */
static bool lite_dead_copy_text(struct query *q, int column, char **out)
{
        const char *text = query_read_text(q, column);

        *out = text ? strdup(text) : NULL;
        return *out || !text;
}

static int lite_dead_requeue(struct lite_dead_settle_call *c, size_t i, sqlite3 *db)
{
        const struct dead_item *item = &c->settle->items[i];
        struct scheduled row = { .message = item->message, .due_ms = item->due_ms, .reason = "requeue" };
        struct query q = query_of(db, &lite_sql_dead_ids);
        unsigned char key[KEY_SIZE];
        char *task_id = NULL, *root_id = NULL;
        bool copied = true;
        int rc;

        query_number(&q, item->entry);
        if (query_row(&q)) {
                copied = lite_dead_copy_text(&q, 0, &task_id);
                copied = lite_dead_copy_text(&q, 1, &root_id) && copied;
        }
        rc = query_end(&q);
        store_key_part(c->call.key, i, key);
        row.task_id = task_id;
        row.root_id = root_id;
        if (rc == SQLITE_OK && !copied)
                rc = SQLITE_NOMEM;
        else if (rc == SQLITE_OK && lite_is_for_consumer(item->message))
                rc = lite_ask_consumer(item->message, item->due_ms, db);
        else if (rc == SQLITE_OK)
                rc = lite_put_keyed(&c->call, db, key, &row);
        free(task_id);
        free(root_id);
        return rc;
}

static int lite_dead_mark(const struct lite_dead_settle_call *c, size_t i, sqlite3 *db, int64_t now_us)
{
        const struct dead_settle *settle = c->settle;
        struct query q = query_of(db, &lite_sql_dead_settled);

        query_number(&q, settle->items[i].entry);
        query_text(&q, dead_outcome_state(settle->action, c->outcomes[i]));
        query_number(&q, now_us);
        if (c->outcomes[i] != DEAD_SUCCEEDED)
                query_number(&q, settle->act.automatic);
        return query_run(&q);
}

static int dead_apply(struct lite_dead_settle_call *c, size_t i, sqlite3 *db, int64_t now_us)
{
        const struct dead_settle *settle = c->settle;
        int64_t entry = settle->items[i].entry;
        int rc = lite_dead_mark(c, i, db, now_us);

        if (rc != SQLITE_OK || !settle->action->sends || c->outcomes[i] == DEAD_SUCCEEDED)
                return rc;
        if (c->outcomes[i] == DEAD_DONE)
                rc = lite_run_on_entry(db, &lite_sql_dead_task, entry, NULL);
        if (rc == SQLITE_OK)
                rc = lite_run_on_entry(db, &lite_sql_dead_job, entry, &now_us);
        return rc == SQLITE_OK && settle->items[i].message ? lite_dead_requeue(c, i, db) : rc;
}

static int dead_run_settle(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_dead_settle_call *c = (struct lite_dead_settle_call *)work;
        const struct dead_settle *settle = c->settle;
        int64_t now_us = lite_now_us(), audit_id = 0;
        size_t count = 0;
        int rc = SQLITE_OK;

        c->call.scheduled_id = 0;
        for (size_t i = 0; rc == SQLITE_OK && i < settle->count;
             i++) { /* each sees what those before it have scheduled */
                rc = dead_look(settle, i, db, &c->outcomes[i]);
                if (rc != SQLITE_OK || !dead_outcome_changes(c->outcomes[i]))
                        continue;
                count++;
                rc = dead_apply(c, i, db, now_us);
        }
        if (rc == SQLITE_OK && count > 0)
                rc = lite_dead_audit(&c->call, db, &settle->act, settle->action->name, count, &audit_id);
        for (size_t i = 0; rc == SQLITE_OK && i < settle->count; i++) {
                if (dead_outcome_changes(c->outcomes[i]))
                        rc = lite_dead_add_act(db, settle->items[i].entry, audit_id);
        }
        return rc;
}

static void dead_answered(struct sqlite_work *work, enum sqlite_end end, const struct problem *said)
{
        struct lite_dead_settle_call *c = (struct lite_dead_settle_call *)work;
        struct problem why;
        bool done;

        end = lite_call_end(&c->call, end);
        done = end == SQLITE_END_COMMITTED;
        lite_why(&c->call, end, said, &why);
        ((dead_settled *)c->call.done)(done ? c->outcomes : NULL, done ? c->settle->count : 0, done ? NULL : &why,
                                       c->call.arg);
        lite_call_free(&c->call);
}

static const struct sqlite_verb settle_verb = { .run = dead_run_settle, .done = dead_answered, .name = "settle" };

void lite_dead_settle(struct store *s, const struct dead_settle *settle, dead_settled *done, void *arg)
{
        struct lite_dead_settle_call *c = settle->count <= DEAD_SETTLE_MAX
                                                  ? lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg)
                                                  : NULL;
        struct problem why;

        if (!c) {
                problem_set(&why, "store", "refused", "out of memory, or more than %d at once", DEAD_SETTLE_MAX);
                done(NULL, 0, &why, arg);
                return;
        }
        c->settle = settle;
        lite_call_start(&c->call, &settle_verb);
}

/* ---- edit ---- */

struct edit_call {
        struct lite_call call;
        const struct dead_edit *edit;
};

static int write_edit(const struct edit_call *c, sqlite3 *db)
{
        const struct dead_edit *edit = c->edit;
        struct query q = query_of(db, &lite_sql_dead_edited);
        int rc;

        query_number(&q, edit->entry);
        query_number(&q, edit->body.data != NULL);
        rc = query_run(&q);
        if (rc != SQLITE_OK)
                return rc;
        q = query_of(db, &lite_sql_dead_edited_content);
        query_number(&q, edit->entry);
        if (edit->body.data)
                query_blob(&q, edit->body);
        return query_run(&q);
}

static int lite_run_edit(struct sqlite_work *work, sqlite3 *db)
{
        struct edit_call *c = (struct edit_call *)work;
        struct query q = query_of(db, &lite_sql_dead_is_kept);
        int64_t audit_id = 0;
        int rc;

        query_number(&q, c->edit->entry);
        query_number(&q, c->edit->version);
        c->call.result = query_row(&q) ? STORE_DONE : STORE_ALREADY;
        rc = query_end(&q);
        if (rc != SQLITE_OK || c->call.result == STORE_ALREADY)
                return rc;
        rc = lite_dead_audit(&c->call, db, &c->edit->act, "edit", 1, &audit_id);
        if (rc == SQLITE_OK)
                rc = lite_dead_add_act(db, c->edit->entry, audit_id);
        return rc == SQLITE_OK ? write_edit(c, db) : rc;
}

static const struct sqlite_verb edit_verb = { .run = lite_run_edit, .done = lite_stored, .name = "edit" };

void lite_dead_edit(struct store *s, const struct dead_edit *edit, store_done *done, void *arg)
{
        struct edit_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_stored(done, arg);
                return;
        }
        c->edit = edit;
        lite_call_start(&c->call, &edit_verb);
}
