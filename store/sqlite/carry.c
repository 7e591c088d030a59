/* SPDX-License-Identifier: Apache-2.0 */
/* Handing out all that the file holds, for another store to take in. */
#include "store/sqlite/lite.h"

struct lite_carry_call {
        struct lite_call call; /* its text: the rows */
        enum carried kind;
        int64_t cursor;
        int64_t limit;
};

/* Each of ?1 = the cursor after which it goes on and ?2 = how many. */
static const struct statement *const out_sql[CARRY_KINDS] = {
        [CARRY_JOBS] = &lite_sql_carry_out_jobs,           [CARRY_TASKS] = &lite_sql_carry_out_tasks,
        [CARRY_EVENTS] = &lite_sql_carry_out_events,       [CARRY_FACTS] = &lite_sql_carry_out_facts,
        [CARRY_INBOX] = &lite_sql_carry_out_inbox,         [CARRY_AUDITS] = &lite_sql_carry_out_audits,
        [CARRY_ONCE] = &lite_sql_carry_out_once,           [CARRY_KEYS] = &lite_sql_carry_out_keys,
        [CARRY_DEAD] = &lite_sql_carry_out_dead,           [CARRY_UNTOLD] = &lite_sql_carry_out_untold,
        [CARRY_SCHEDULED] = &lite_sql_carry_out_scheduled, [CARRY_WEBHOOKS] = &lite_sql_carry_out_webhooks,
};

static const struct statement *const off_sql[CARRY_KINDS] = {
        [CARRY_DEAD] = &lite_sql_carry_off_dead,
        [CARRY_UNTOLD] = &lite_sql_carry_off_untold,
        [CARRY_SCHEDULED] = &lite_sql_carry_off_scheduled,
        [CARRY_WEBHOOKS] = &lite_sql_carry_off_webhooks,
};

static int lite_run_out(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_carry_call *c = (struct lite_carry_call *)work;
        struct query q;

        buffer_reset(&c->call.text);
        if (!out_sql[c->kind]) {
                buffer_add_string(&c->call.text, "[]");
                return SQLITE_OK;
        }
        q = query_of(db, out_sql[c->kind]);
        query_number(&q, c->cursor);
        query_number(&q, c->limit);
        return lite_answer(&c->call.text, &q);
}

static int lite_run_off(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_carry_call *c = (struct lite_carry_call *)work;
        struct query q;

        if (!off_sql[c->kind])
                return SQLITE_OK;
        q = query_of(db, off_sql[c->kind]);
        query_number(&q, c->cursor);
        return query_run(&q);
}

static const struct sqlite_verb out_verb = { .run = lite_run_out, .done = lite_read, .reads = true };
static const struct sqlite_verb off_verb = { .run = lite_run_off, .done = lite_stored };

void lite_carry_out(struct store *s, enum carried kind, int64_t after, unsigned limit, json_done *done, void *arg)
{
        struct lite_carry_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_read(done, arg);
                return;
        }
        c->kind = kind;
        c->cursor = after;
        c->limit = limit;
        lite_call_start(&c->call, &out_verb);
}

void lite_carry_off(struct store *s, enum carried kind, int64_t upto, store_done *done, void *arg)
{
        struct lite_carry_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_stored(done, arg);
                return;
        }
        c->kind = kind;
        c->cursor = upto;
        lite_call_start(&c->call, &off_verb);
}
