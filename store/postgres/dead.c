/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters: filing them, and what is done to them. */
#include "store/postgres/dead.h"
#include "store/postgres/statements.h"

#include <stdio.h>
#include <stdlib.h>

/* A letter that is there already is passed over. One whose task has a kept entry is a later death of it, whose record takes
 * the place of the earlier one. (Scalar sub-selects keep the planner to their indexes, whatever it believes of sizes.) */
const struct statement statement_dead_file = {
        "chard_dead_file",
        "insert into chard.dead_letter as t (key, same, died_at, attempts, task_id, root_id, name, queue, error_source,"
        "  error_code, error_message, group_id, cause, trace_id, user_id, worker, next_task, verdict, properties, body, edited, rounds)"
        " select key, same, timestamptz 'epoch' + died * interval '1 ms', attempts, task_id, root_id, name, queue, source,"
        "  code, message, group_id, cause, trace_id, user_id, worker, next_task, verdict, properties, body, edited,"
        "  case when task_id = '' then 0 else coalesce((select case when b.automatic then b.rounds + 1 else 0 end"
        "   from chard.dead_letter b where b.task_id = i.task_id order by b.task_id desc, b.entry desc limit 1), 0) end"
        " from unnest($1::uuid[], $2::uuid[], $3::int8[], $4::int4[], $5::text[], $6::text[], $7::text[], $8::text[],"
        "  $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[],"
        "  $18::text[], $19::bytea[], $20::bytea[], $21::bytea[]) as i (key, same, died, attempts, task_id, root_id, name, queue, source, code, message,"
        "  group_id, cause, trace_id, user_id, worker, next_task, verdict, properties, body, edited)"
        " where (select d.entry from chard.dead_letter d where d.key = i.key) is null"
        " on conflict (same) where state = 'kept' do update set key = excluded.key, died_at = excluded.died_at,"
        "  attempts = excluded.attempts, error_source = excluded.error_source, error_code = excluded.error_code,"
        "  error_message = excluded.error_message, group_id = excluded.group_id, cause = excluded.cause,"
        "  trace_id = excluded.trace_id, worker = excluded.worker, verdict = excluded.verdict, properties = excluded.properties"
        " where excluded.died_at > t.died_at"
        " returning same::text, xmax = 0"
};

/* The letters, then their tasks, both in order, so that what is decided next stays true and nobody deadlocks. */
const struct statement statement_dead_lock = {
        "chard_dead_lock",
        "select task_id from chard.dead_letter where entry = any ($1::int8[]) order by entry for update"
};

const struct statement statement_dead_lock_tasks = {
        "chard_dead_lock_tasks",
        "select from chard.task where id = any (array("
        "  select d.task_id from unnest($1::int8[]) as e (entry), lateral (select l.task_id from chard.dead_letter l"
        "   where l.entry = e.entry and l.task_id <> '' offset 0) d)) order by id for update"
};

/* `mine`: this very batch did it before, and its answer was lost. */
const struct statement statement_dead_settle = {
        "chard_dead_settle",
        "with prior as materialized (select id from chard.dead_letter_audit where batch = ($1::uuid[])[1]),"
        " i as materialized ("
        "  select * from unnest($8::int8[], $9::uuid[], $10::int8[], $11::text[], $12::text[], $13::bytea[], $14::bytea[],"
        "   $15::int8[]) with ordinality as i (entry, key, due, exchange, routing_key, properties, body, version, n)),"
        " u as materialized ("
        "  select i.n, i.entry, d.task_id, d.root_id, d.state = 'kept' as kept,"
        "   i.n > min(i.n) filter (where d.state = 'kept') over (partition by d.task_id) as again, case"
        "    when d.entry is null then 'missing'"
        "    when d.state <> 'kept' then case when not d.mine then 'settled' when d.state = 'resolved' then 'succeeded' else 'done' end"
        "    when i.version not in (0, cardinality(d.acts) + 1) then 'changed'"
        "    when $3 = 'discard' then 'done'"
        "    when t.state = 'REVOKED' then 'revoked'"
        "    when t.state = 'SUCCESS'"
        "     and coalesce((select j.state from chard.job j where j.root_id = d.root_id), 'SUCCESS') = 'SUCCESS' then 'succeeded'"
        "    when t.state = 'SUCCESS' and (select n.id from chard.task n where n.root_id = d.root_id and n.root_id <> n.id"
        "     and n.parent_id = d.task_id limit 1) is not null then 'succeeded'"
        "    when t.state = 'STARTED' and t.leased then 'alive'"
        "    when d.task_id <> '' and (select w.id from chard.scheduled w where w.task_id = d.task_id limit 1) is not null"
        "     then 'waiting'"
        "    when t.state = 'SUCCESS' then 'resumed' else 'done' end as verdict"
        "  from i left join lateral (select l.*, l.acts @> array(select id from prior) and exists (select from prior) as mine"
        "    from chard.dead_letter l where l.entry = i.entry offset 0) d on true"
        "   left join lateral (select k.state, k.lease_until > now() and not exists (select from chard.worker w"
        "      where w.name = k.lease_owner and w.started_at > k.started_at) as leased"
        "    from chard.task k where k.id = d.task_id and d.task_id <> '' offset 0) t on true),"
        " v as materialized ("
        "  select n, entry, task_id, root_id, kept, case when $3 = 'requeue' and kept and again and task_id <> ''"
        "    and verdict in ('done', 'resumed') then 'waiting' else verdict end as verdict from u),"
        " audit as ("
        "  insert into chard.dead_letter_audit (batch, operation, action, who, reason, scope, entries)"
        "  select ($1::uuid[])[1], $2::text, $3::text, $4::text, $5::text, $6::text, count(*) from v"
        "  where kept and verdict in ('done', 'resumed', 'succeeded') having count(*) > 0 returning id),"
        " settled as ("
        "  update chard.dead_letter set state = case when $3 = 'discard' then 'discarded' else 'requeued' end, settled_at = now(),"
        "   automatic = $7::int8 <> 0, acts = acts || array(select id from audit)"
        "  where entry = any (array(select entry from v where kept and verdict in ('done', 'resumed')))),"
        " resolved as ("
        "  update chard.dead_letter set state = 'resolved', settled_at = now(), acts = acts || array(select id from audit)"
        "  where entry = any (array(select entry from v where kept and verdict = 'succeeded'))),"
        " tasks as ("
        "  update chard.task set state = 'PENDING', starts = 0, attempts = 0, error = null, finished_at = null,"
        "   lease_owner = null, lease_until = null"
        "  where $3 = 'requeue' and id = any (array(select task_id from v where kept and verdict = 'done' and task_id <> ''))),"
        " jobs as ("
        "  update chard.job set state = 'STARTED', error = null, finished_at = null, updated_at = now(), restarts = 0"
        "  where $3 = 'requeue' and state = 'FAILURE'"
        "   and root_id = any (array(select root_id from v where kept and verdict in ('done', 'resumed') and root_id <> ''))"
        "   and not exists (select from chard.task o where o.id = chard.job.root_id and o.state = 'FAILURE'"
        "    and o.id <> all (array(select task_id from v where kept and verdict in ('done', 'resumed'))))"
        "   and not exists (select from chard.task o where o.root_id = chard.job.root_id and o.root_id <> o.id and o.state = 'FAILURE'"
        "    and o.id <> all (array(select task_id from v where kept and verdict in ('done', 'resumed'))))),"
        " sent as ("
        "  insert into chard.scheduled (key, due_at, exchange, routing_key, reason, task_id, properties, body)"
        "  select i.key, timestamptz 'epoch' + i.due * interval '1 ms', i.exchange, i.routing_key, 'requeue',"
        "   (select nullif(l.task_id, '') from chard.dead_letter l where l.entry = i.entry), i.properties, i.body"
        "  from i where $3 = 'requeue' and i.exchange is not null"
        "   and case when i.n in (select n from v where kept and verdict in ('done', 'resumed')) then true else false end"
        "  on conflict (key) do nothing)"
        " select verdict from v order by n"
};

const struct statement statement_dead_edit = {
        "chard_dead_edit",
        "with prior as materialized (select id from chard.dead_letter_audit where batch = ($1::uuid[])[1]),"
        " l as materialized (select entry from chard.dead_letter where entry = $7::int8 and state = 'kept'"
        "  and ($9::int8 in (0, cardinality(acts) + 1) or exists (select from prior)) for update),"
        " audit as ("
        "  insert into chard.dead_letter_audit (batch, operation, action, who, reason, scope, entries)"
        "  select ($1::uuid[])[1], $2::text, $3::text, $4::text, $5::text, $6::text, 1 from l"
        "  where not exists (select from prior) returning id),"
        " edited as ("
        "  update chard.dead_letter set edited = ($8::bytea[])[1], acts = acts || array(select id from audit)"
        "  where entry = any (array(select entry from l)) and exists (select from audit))"
        " select entry from l"
};

/* ---- file ---- */

/* Where `own` of a filing call is kept: what its group is sorted by. */
struct filing {
        const struct dead_letter *letter;
        char same[2 * DEAD_KEY_SIZE + 1];
};

static const char *filing_id(const struct call *call)
{
        return ((const struct filing *)call->what)->same;
}

static size_t filing_size(const struct call *call)
{
        const struct dead_letter *l = ((const struct filing *)call->what)->letter;

        return l->properties.size + l->body.size + 1024;
}

enum { TEXTS = 14 };

struct columns {
        struct column *key, *same, *died, *attempts;
        struct column *texts[TEXTS];
        struct column *properties, *body, *edited;
};

static void begin_letters(struct arguments *a, struct columns *c)
{
        c->key = arguments_array(a, COLUMN_UUID);
        c->same = arguments_array(a, COLUMN_UUID);
        c->died = arguments_array(a, COLUMN_INT8);
        c->attempts = arguments_array(a, COLUMN_INT4);
        for (int i = 0; i < TEXTS; i++)
                c->texts[i] = arguments_array(a, COLUMN_TEXT);
        c->properties = arguments_array(a, COLUMN_BYTEA);
        c->body = arguments_array(a, COLUMN_BYTEA);
        c->edited = arguments_array(a, COLUMN_BYTEA);
}

static void add_letter(struct columns *c, const struct dead_letter *l)
{
        const char *const texts[TEXTS] = { l->task_id,    l->root_id,       l->name,      l->queue,  l->error_source,
                                           l->error_code, l->error_message, l->group,     l->cause,  l->trace_id,
                                           l->user_id,    l->worker,        l->next_task, l->verdict };

        column_uuid(c->key, l->key);
        column_uuid(c->same, l->same);
        column_int8(c->died, l->died_ms);
        column_int4(c->attempts, l->attempts);
        for (int i = 0; i < TEXTS; i++)
                column_text(c->texts[i], texts[i] ? texts[i] : "");
        column_bytes(c->properties, l->properties);
        column_bytes(c->body, l->body);
        if (l->edited.data)
                column_bytes(c->edited, l->edited);
        else
                column_null(c->edited);
}

static int send_letters(struct link *link, struct group *group)
{
        struct arguments *a = &link->store->arguments;
        struct columns c;

        arguments_reset(a);
        begin_letters(a, &c);
        for (size_t i = 0; i < group->count; i++)
                add_letter(&c, ((const struct filing *)group->calls[i]->what)->letter);
        return link_send(link, group, &statement_dead_file);
}

/* Was a row made? `same` comes back as a UUID's text. */
static bool was_made(const PGresult *r, const char *same)
{
        char dashed[37];

        snprintf(dashed, sizeof(dashed), "%.8s-%.4s-%.4s-%.4s-%.12s", same, same + 8, same + 12, same + 16, same + 20);
        for (int row = 0; row < PQntuples(r); row++) {
                if (strcmp(field_text(r, row, 0), dashed) == 0)
                        return field_bool(r, row, 1);
        }
        return false;
}

static void answer_letters(struct link *link, struct group *group)
{
        const PGresult *r = group->results[0];
        bool all = (size_t)PQntuples(r) == group->count;

        for (int row = 0; all && row < PQntuples(r); row++)
                all = field_bool(r, row, 1);
        for (size_t i = 0; i < group->count; i++) {
                struct call *call = group_take(group, i);

                if (call)
                        call_done(link->store, call, all || was_made(r, filing_id(call)) ? STORE_DONE : STORE_ALREADY,
                                  bytes_of(NULL, 0));
        }
}

const struct verb verb_dead_file = {
        .lane = LANE_DEAD_FILE,
        .link = LINK_DEAD,
        .most = GROUP_CALLS_MAX,
        .id = filing_id,
        .size = filing_size,
        .send = send_letters,
        .answer = answer_letters,
        .refuse = refuse_done,
};

void pg_dead_file(struct store *s, const struct dead_letter *letter, store_done *done, void *arg)
{
        struct filing *filing = malloc(sizeof(*filing));
        struct problem why;

        if (!filing) {
                problem_set(&why, "store", "out_of_memory", "out of memory");
                done(STORE_STARVED, bytes_of(NULL, 0), &why, arg);
                return;
        }
        filing->letter = letter;
        for (int i = 0; i < DEAD_KEY_SIZE; i++)
                snprintf(filing->same + 2 * i, 3, "%02x", letter->same[i]);
        call_add(pg_of(s), &verb_dead_file, filing, filing, (void (*)(void))done, arg);
}

/* ---- settle ---- */

static const char *text_or_empty(const char *text)
{
        return text ? text : "";
}

/* $1 … $6. */
static void add_act(struct arguments *a, const struct call *call, const struct dead_act *act, const char *action)
{
        column_uuid(arguments_array(a, COLUMN_UUID), call->key);
        arguments_text(a, text_or_empty(act->operation));
        arguments_text(a, action);
        arguments_text(a, text_or_empty(act->who));
        arguments_text(a, text_or_empty(act->reason));
        arguments_text(a, text_or_empty(act->scope));
}

static int send_entries(struct link *link, struct group *group, const struct dead_settle *settle,
                        const struct statement *statement)
{
        struct arguments *a = &link->store->arguments;
        struct column *entry;

        arguments_reset(a);
        entry = arguments_array(a, COLUMN_INT8);
        for (size_t i = 0; i < settle->count; i++)
                column_int8(entry, settle->items[i].entry);
        return link_send(link, group, statement);
}

struct item_columns {
        struct column *entry, *key, *due, *exchange, *routing_key, *properties, *body, *version;
};

static void add_item(struct item_columns *c, const struct call *call, size_t n, const struct dead_item *item)
{
        unsigned char key[KEY_SIZE];

        store_key_part(call->key, n, key);
        column_int8(c->entry, item->entry);
        column_uuid(c->key, key);
        column_int8(c->due, item->due_ms);
        column_text(c->exchange, item->message ? item->message->exchange : NULL);
        column_text(c->routing_key, item->message ? item->message->routing_key : NULL);
        column_bytes(c->properties, item->message ? item->message->properties : bytes_of("", 0));
        column_bytes(c->body, item->message ? item->message->body : bytes_of("", 0));
        column_int8(c->version, item->version);
}

static int send_items(struct link *link, struct group *group, const struct dead_settle *settle)
{
        const struct call *call = group->calls[0];
        struct arguments *a = &link->store->arguments;

        arguments_reset(a);
        add_act(a, call, &settle->act, settle->action == DEAD_DISCARD ? "discard" : "requeue");
        arguments_number(a, settle->act.automatic);
        struct item_columns c = { arguments_array(a, COLUMN_INT8),  arguments_array(a, COLUMN_UUID),
                                  arguments_array(a, COLUMN_INT8),  arguments_array(a, COLUMN_TEXT),
                                  arguments_array(a, COLUMN_TEXT),  arguments_array(a, COLUMN_BYTEA),
                                  arguments_array(a, COLUMN_BYTEA), arguments_array(a, COLUMN_INT8) };
        for (size_t i = 0; i < settle->count; i++)
                add_item(&c, call, i, &settle->items[i]);
        return link_send(link, group, &statement_dead_settle);
}

static int64_t first_due(const struct dead_settle *settle)
{
        int64_t first = INT64_MAX;

        for (size_t i = 0; i < settle->count; i++) {
                if (settle->items[i].message && settle->items[i].due_ms < first)
                        first = settle->items[i].due_ms;
        }
        return first;
}

static int send_settle(struct link *link, struct group *group)
{
        const struct dead_settle *settle = group->calls[0]->what;
        int rc = send_entries(link, group, settle, &statement_dead_lock);

        if (rc == 0)
                rc = send_entries(link, group, settle, &statement_dead_lock_tasks);
        if (rc == 0)
                rc = send_items(link, group, settle);
        return rc == 0 && first_due(settle) != INT64_MAX ? scheduled_notify(link, group, first_due(settle)) : rc;
}

static enum dead_outcome outcome_of(const char *verdict)
{
        static const char *const names[] = {
                [DEAD_DONE] = "done",       [DEAD_RESUMED] = "resumed", [DEAD_SUCCEEDED] = "succeeded",
                [DEAD_ALIVE] = "alive",     [DEAD_WAITING] = "waiting", [DEAD_REVOKED] = "revoked",
                [DEAD_CHANGED] = "changed", [DEAD_SETTLED] = "settled", [DEAD_MISSING] = "missing",
        };

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                if (strcmp(verdict, names[i]) == 0)
                        return (enum dead_outcome)i;
        }
        return DEAD_MISSING;
}

static void answer_settle(struct link *link, struct group *group)
{
        struct call *call = group_take(group, 0);
        const PGresult *r = group->results[2];
        size_t count = (size_t)PQntuples(r);
        enum dead_outcome outcomes[DEAD_SETTLE_MAX];
        dead_settled *done = (dead_settled *)call->done;
        void *arg = call->arg;

        for (size_t i = 0; i < count && i < DEAD_SETTLE_MAX; i++)
                outcomes[i] = outcome_of(field_text(r, (int)i, 0));
        call_free(link->store, call);
        done(outcomes, count < DEAD_SETTLE_MAX ? count : DEAD_SETTLE_MAX, NULL, arg);
}

static void refuse_settle(struct call *call, enum store_result result, const struct problem *why)
{
        (void)result;
        ((dead_settled *)call->done)(NULL, 0, why, call->arg);
}

const struct verb verb_dead_settle = {
        .lane = LANE_DEAD_SETTLE,
        .link = LINK_DEAD,
        .most = 1,
        .send = send_settle,
        .answer = answer_settle,
        .refuse = refuse_settle,
};

void pg_dead_settle(struct store *s, const struct dead_settle *settle, dead_settled *done, void *arg)
{
        call_add(pg_of(s), &verb_dead_settle, settle, NULL, (void (*)(void))done, arg);
}

/* ---- edit ---- */

static int send_edit(struct link *link, struct group *group)
{
        const struct dead_edit *edit = group->calls[0]->what;
        struct arguments *a = &link->store->arguments;
        struct column *body;

        arguments_reset(a);
        add_act(a, group->calls[0], &edit->act, "edit");
        arguments_number(a, edit->entry);
        body = arguments_array(a, COLUMN_BYTEA);
        if (edit->body.data)
                column_bytes(body, edit->body);
        else
                column_null(body);
        arguments_number(a, edit->version);
        return link_send(link, group, &statement_dead_edit);
}

static void answer_edit(struct link *link, struct group *group)
{
        struct call *call = group_take(group, 0);

        call_done(link->store, call, PQntuples(group->results[0]) > 0 ? STORE_DONE : STORE_ALREADY, bytes_of(NULL, 0));
}

const struct verb verb_dead_edit = {
        .lane = LANE_DEAD_EDIT,
        .link = LINK_DEAD,
        .most = 1,
        .send = send_edit,
        .answer = answer_edit,
        .refuse = refuse_done,
};

void pg_dead_edit(struct store *s, const struct dead_edit *edit, store_done *done, void *arg)
{
        call_add(pg_of(s), &verb_dead_edit, edit, NULL, (void (*)(void))done, arg);
}
