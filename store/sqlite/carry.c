/* SPDX-License-Identifier: Apache-2.0 */
/* Handing out all that the file holds, for another store to take in. */
#include "store/sqlite/lite.h"

struct carry_call {
        struct lite_call call; /* its text: the rows */
        enum carried kind;
        int64_t cursor;
        int64_t limit;
};

#define UPDATED_AT ISO("updated_at")
#define DUE_AT     ISO("due_at")
#define DIED_AT    ISO("died_at")
#define KEPT_AT    ISO("kept_at")
#define SETTLED_AT ISO("settled_at")
#define AT         ISO("at")

/* Each of ?1 = the cursor after which it goes on and ?2 = how many. */
static const char *const out_sql[CARRY_KINDS] = {
        [CARRY_JOBS] =
                "select json_object('cursor', rowid, 'root_id', root_id, 'pipeline', pipeline, 'state', state,"
                "  'created_at', " CREATED_AT ", 'updated_at', " UPDATED_AT ", 'finished_at', " FINISHED_AT ","
                "  'error', error, 'document', document, 'chain', chain, 'last_task', last_task, 'restarts', restarts,"
                "  'branches', branches)"
                " from job where rowid > ?1 order by rowid limit ?2",
        [CARRY_TASKS] =
                "select json_object('cursor', rowid, 'id', id, 'root_id', root_id, 'parent_id', parent_id, 'name', name,"
                "  'state', state, 'created_at', " CREATED_AT ", 'started_at', " STARTED_AT
                ", 'finished_at', " FINISHED_AT ","
                "  'starts', starts, 'attempts', attempts, 'tokens_in', tokens_in, 'tokens_out', tokens_out,"
                "  'cost_nano', cost_nano, 'elapsed_ms', elapsed_ms, 'provider', provider, 'model', model, 'error', error,"
                "  'result', result, 'replaced', replaced, 'sends', sends,"
                "  'chord_part', chord_part)"
                " from task where rowid > ?1 order by rowid limit ?2",
        [CARRY_EVENTS] =
                "select json_object('cursor', e.rowid, 'id', e.id, 'aggregate_type', e.aggregate_type,"
                "  'aggregate_id', e.aggregate_id, 'version', e.version, 'type', e.type, 'root_id', e.root_id,"
                "  'task_id', e.task_id, 'created_at', " ISO(
                        "e.created_at") ", 'payload', e.payload,"
                                        "  'unsent', o.id is not null, 'tracingspancontext', o.tracingspancontext)"
                                        " from (select rowid, * from event where rowid > ?1 order by rowid limit ?2) as e"
                                        " left join outbox as o on o.id = e.id order by e.rowid",
        [CARRY_FACTS] = "select json_object('cursor', rowid, 'at', " AT ", 'once', once, 'kind', kind, 'owner', owner,"
                        "  'key', key, 'task_id', task_id, 'value', value)"
                        " from fact where rowid > ?1 order by rowid limit ?2",
        [CARRY_INBOX] = "select json_object('cursor', rowid, 'at', " AT ", 'consumer', consumer, 'event_id', event_id)"
                        " from inbox where rowid > ?1 order by rowid limit ?2",
        [CARRY_AUDITS] =
                "select json_object('cursor', id, 'at', " AT ", 'batch', lower(hex(batch)), 'operation', operation,"
                "  'action', action, 'who', who, 'reason', reason, 'scope', scope, 'entries', entries)"
                " from dead_letter_audit where id > ?1 order by id limit ?2",
        [CARRY_DEAD] =
                "select json_object('cursor', d.entry, 'died_at', " DIED_AT ", 'kept_at', " KEPT_AT
                ", 'settled_at', " SETTLED_AT ","
                "  'attempts', attempts, 'rounds', rounds, 'automatic', automatic, 'key', lower(hex(key)), 'same', lower(hex(same)),"
                "  'state', state, 'task_id', task_id, 'root_id', root_id, 'name', name, 'queue', queue,"
                "  'error_source', error_source, 'error_code', error_code, 'error_message', error_message,"
                "  'group_id', group_id, 'cause', cause, 'trace_id', trace_id, 'user_id', user_id, 'worker', worker,"
                "  'next_task', next_task, 'verdict', verdict, 'properties', hex(properties), 'body', hex(body),"
                "  'edited', case when c.edited is not null then hex(c.edited) end,"
                "  'batches', (select json_group_array(lower(hex(batch))) from dead_letter_act t"
                "   join dead_letter_audit a on a.id = t.audit where t.entry = d.entry))"
                " from dead_letter d join dead_letter_content c on c.entry = d.entry"
                " where d.entry > ?1 order by d.entry limit ?2",
        [CARRY_UNTOLD] = "select json_object('cursor', id, 'key', lower(hex(key)), 'created_at', " CREATED_AT ","
                         "  'task_id', task_id, 'queue', queue, 'properties', hex(properties), 'body', hex(body),"
                         "  'telling', hex(telling)) from owed_result where id > ?1 order by id limit ?2",
        [CARRY_SCHEDULED] = "select json_object('cursor', id, 'key', lower(hex(key)), 'due_at', " DUE_AT
                            ", 'created_at', " CREATED_AT ","
                            "  'exchange', exchange, 'routing_key', routing_key, 'reason', reason, 'task_id', task_id,"
                            "  'properties', hex(properties), 'body', hex(body))"
                            " from scheduled where id > ?1 order by id limit ?2",
};

static const char *const off_sql[CARRY_KINDS] = {
        [CARRY_DEAD] = "delete from dead_letter where entry <= ?1 and state = 'kept'",
        [CARRY_UNTOLD] = "delete from owed_result where id <= ?1",
        [CARRY_SCHEDULED] = "delete from scheduled where id <= ?1",
};

static int run_out(struct sqlite_work *work, sqlite3 *db)
{
        struct carry_call *c = (struct carry_call *)work;
        struct query q;

        buffer_reset(&c->call.text);
        if (!out_sql[c->kind]) {
                buffer_add_string(&c->call.text, "[]");
                return SQLITE_OK;
        }
        q = query_of(db, out_sql[c->kind]);
        query_number(&q, c->cursor);
        query_number(&q, c->limit);
        return lite_add_rows(&c->call.text, &q);
}

static int run_off(struct sqlite_work *work, sqlite3 *db)
{
        struct carry_call *c = (struct carry_call *)work;
        struct query q;

        if (!off_sql[c->kind])
                return SQLITE_OK;
        q = query_of(db, off_sql[c->kind]);
        query_number(&q, c->cursor);
        return query_run(&q);
}

static const struct sqlite_verb out_verb = { .run = run_out, .done = lite_read, .reads = true };
static const struct sqlite_verb off_verb = { .run = run_off, .done = lite_stored };

void lite_carry_out(struct store *s, enum carried kind, int64_t after, unsigned limit, json_done *done, void *arg)
{
        struct carry_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

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
        struct carry_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_stored(done, arg);
                return;
        }
        c->kind = kind;
        c->cursor = upto;
        lite_call_start(&c->call, &off_verb);
}
