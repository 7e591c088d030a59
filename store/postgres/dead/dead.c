/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters: filing them, and what is done to them. */
#include "core/text/hex.h"
#include "store/postgres/dead/dead.h"
#include "store/postgres/statements.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- file ---- */

/* Where `own` of a filing call is kept: what its group is sorted by. */
struct dead_filing {
        const struct dead_letter *letter;
        char same[2 * DEAD_KEY_SIZE + 1];
};

static const char *filing_id(const struct pg_call *call)
{
        return ((const struct dead_filing *)call->what)->same;
}

static size_t filing_size(const struct pg_call *call)
{
        const struct dead_letter *l = ((const struct dead_filing *)call->what)->letter;

        return l->properties.size + l->body.size + 1024;
}

enum { TEXTS = 14 };

struct dead_columns {
        struct column *key, *same, *died, *attempts;
        struct column *texts[TEXTS];
        struct column *properties, *body, *edited;
};

static void begin_letters(struct pg_arguments *a, struct dead_columns *c)
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

static void add_letter(struct dead_columns *c, const struct dead_letter *l)
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

static int send_letters(struct pg_link *link, struct pg_group *group)
{
        struct pg_arguments *a = &link->store->arguments;
        struct dead_columns c;

        arguments_reset(a);
        begin_letters(a, &c);
        for (size_t i = 0; i < group->count; i++)
                add_letter(&c, ((const struct dead_filing *)group->calls[i]->what)->letter);
        return pg_link_send(link, group, &pg_sql_dead_file);
}

int dead_send_letters(struct pg_link *link, struct pg_group *group, const struct dead_letter *letters, size_t count)
{
        struct pg_arguments *a = &link->store->arguments;
        struct dead_columns c;

        arguments_reset(a);
        begin_letters(a, &c);
        for (size_t i = 0; i < count; i++)
                add_letter(&c, &letters[i]);
        return pg_link_send_once(link, group, &pg_sql_dead_file);
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

static void answer_letters(struct pg_link *link, struct pg_group *group)
{
        const PGresult *r = group->results[0];
        bool all = (size_t)PQntuples(r) == group->count;

        for (int row = 0; all && row < PQntuples(r); row++)
                all = field_bool(r, row, 1);
        for (size_t i = 0; i < group->count; i++) {
                struct pg_call *call = group_take(group, i);

                if (call)
                        call_done(link->store, call, all || was_made(r, filing_id(call)) ? STORE_DONE : STORE_ALREADY,
                                  bytes_of(NULL, 0));
        }
}

const struct pg_verb verb_dead_file = {
        .lane = LANE_DEAD_FILE,
        .link = PG_LINK_DEAD,
        .most = GROUP_CALLS_MAX,
        .id = filing_id,
        .size = filing_size,
        .send = send_letters,
        .answer = answer_letters,
        .refuse = refuse_done,
};

void pg_dead_file(struct store *s, const struct dead_letter *letter, store_done *done, void *arg)
{
        struct dead_filing *filing = malloc(sizeof(*filing));

        if (!filing) {
                call_refuse(&verb_dead_file, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        filing->letter = letter;
        *hex_write(filing->same, letter->same, DEAD_KEY_SIZE) = '\0';
        call_add(pg_of(s), &verb_dead_file, filing, filing, (void (*)(void))done, arg);
}

/* ---- settle ---- */

static const char *dead_text_or_empty(const char *text)
{
        return text ? text : "";
}

/* $1 … $6. */
static void pg_dead_add_act(struct pg_arguments *a, const struct pg_call *call, const struct dead_act *act,
                            const char *action)
{
        column_uuid(arguments_array(a, COLUMN_UUID), call->key);
        arguments_text(a, dead_text_or_empty(act->operation));
        arguments_text(a, action);
        arguments_text(a, dead_text_or_empty(act->who));
        arguments_text(a, dead_text_or_empty(act->reason));
        arguments_text(a, dead_text_or_empty(act->scope));
}

static int send_entries(struct pg_link *link, struct pg_group *group, const struct dead_settle *settle,
                        const struct statement *statement)
{
        struct pg_arguments *a = &link->store->arguments;
        struct column *entry;

        arguments_reset(a);
        entry = arguments_array(a, COLUMN_INT8);
        for (size_t i = 0; i < settle->count; i++)
                column_int8(entry, settle->items[i].entry);
        return pg_link_send(link, group, statement);
}

/* A settling call's own: what was seen of each item, and what is to be done about it. */
struct dead_settling {
        const struct dead_settle *settle;
        unsigned seen[DEAD_SETTLE_MAX];
        enum dead_outcome outcomes[DEAD_SETTLE_MAX];
};

static int send_look(struct pg_link *link, struct pg_group *group)
{
        const struct dead_settle *settle = ((const struct dead_settling *)group->calls[0]->what)->settle;
        struct pg_arguments *a = &link->store->arguments;
        struct column *entry, *version;

        arguments_reset(a);
        column_uuid(arguments_array(a, COLUMN_UUID), group->calls[0]->key);
        entry = arguments_array(a, COLUMN_INT8);
        version = arguments_array(a, COLUMN_INT8);
        for (size_t i = 0; i < settle->count; i++) {
                column_int8(entry, settle->items[i].entry);
                column_int8(version, settle->items[i].version);
        }
        return pg_link_send(link, group, &pg_sql_dead_look);
}

static void settle_answer(struct pg_link *link, struct pg_call *call)
{
        dead_settled *done = (dead_settled *)call->done;
        struct dead_settling *s = call->own;
        void *arg = call->arg;

        call->own = NULL;
        call_free(link->store, call);
        done(s->outcomes, s->settle->count, NULL, arg);
        free(s);
}

static bool settle_changes(const struct dead_settling *s, size_t i)
{
        return (s->seen[i] & DEAD_SEEN_KEPT) && dead_outcome_changes(s->outcomes[i]);
}

/* Nothing to change is an answer too. */
static void answer_look(struct pg_link *link, struct pg_group *group)
{
        struct pg_call *call = group_take(group, 0);
        struct dead_settling *s = call->own;
        const PGresult *r = group->results[0];
        bool changes = false;

        for (size_t i = 0; i < s->settle->count; i++) {
                s->seen[i] = (int)i < PQntuples(r) ? (unsigned)field_number(r, (int)i, 0) : 0;
                s->outcomes[i] = dead_outcome_of(s->settle->action, s->seen[i]);
                changes = changes || settle_changes(s, i);
        }
        if (changes)
                call_again(link->store, &verb_dead_settle, call);
        else
                settle_answer(link, call);
}

struct item_columns {
        struct column *entry, *key, *due, *exchange, *routing_key, *properties, *body, *version, *seen, *outcome;
};

static void dead_add_item(struct item_columns *c, const struct pg_call *call, size_t n)
{
        static const char *const names[] = {
                [DEAD_DONE] = "done", [DEAD_RESUMED] = "resumed", [DEAD_SUCCEEDED] = "succeeded"
        };
        const struct dead_settling *s = call->what;
        const struct dead_item *item = &s->settle->items[n];
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
        column_int8(c->seen, s->seen[n]);
        column_text(c->outcome, settle_changes(s, n) ? names[s->outcomes[n]] : NULL);
}

static int send_items(struct pg_link *link, struct pg_group *group, const struct dead_settle *settle)
{
        const struct pg_call *call = group->calls[0];
        struct pg_arguments *a = &link->store->arguments;

        arguments_reset(a);
        pg_dead_add_act(a, call, &settle->act, settle->action->name);
        arguments_number(a, settle->act.automatic);
        struct item_columns c = { arguments_array(a, COLUMN_INT8),  arguments_array(a, COLUMN_UUID),
                                  arguments_array(a, COLUMN_INT8),  arguments_array(a, COLUMN_TEXT),
                                  arguments_array(a, COLUMN_TEXT),  arguments_array(a, COLUMN_BYTEA),
                                  arguments_array(a, COLUMN_BYTEA), arguments_array(a, COLUMN_INT8),
                                  arguments_array(a, COLUMN_INT8),  arguments_array(a, COLUMN_TEXT) };
        for (size_t i = 0; i < settle->count; i++)
                dead_add_item(&c, call, i);
        arguments_text(a, settle->action->state);
        arguments_number(a, settle->action->sends);
        return pg_link_send(link, group, &pg_sql_dead_settle);
}

/* Of what is sent. */
static int64_t first_due(const struct dead_settle *settle)
{
        int64_t first = INT64_MAX;

        for (size_t i = 0; i < settle->count; i++) {
                if (settle->items[i].message && settle->items[i].due_ms < first)
                        first = settle->items[i].due_ms;
        }
        return first;
}

static int send_settle(struct pg_link *link, struct pg_group *group)
{
        const struct dead_settle *settle = ((const struct dead_settling *)group->calls[0]->what)->settle;
        int rc = send_entries(link, group, settle, &pg_sql_dead_lock);

        if (rc == 0)
                rc = send_entries(link, group, settle, &pg_sql_dead_lock_tasks);
        if (rc == 0)
                rc = send_items(link, group, settle);
        return rc == 0 && first_due(settle) != INT64_MAX ? scheduled_notify(link, group, first_due(settle)) : rc;
}

/* Something has changed since it was looked at: then nothing was done, and it is looked at again. */
static void answer_settle(struct pg_link *link, struct pg_group *group)
{
        struct pg_call *call = group_take(group, 0);

        if (PQntuples(group->results[2]) > 0)
                call_again(link->store, &verb_dead_look, call);
        else
                settle_answer(link, call);
}

static void refuse_settle(struct pg_call *call, enum store_result result, const struct problem *why)
{
        (void)result;
        ((dead_settled *)call->done)(NULL, 0, why, call->arg);
}

const struct pg_verb verb_dead_look = {
        .lane = LANE_DEAD_LOOK,
        .link = PG_LINK_DEAD,
        .most = 1,
        .send = send_look,
        .answer = answer_look,
        .refuse = refuse_settle,
};

const struct pg_verb verb_dead_settle = {
        .lane = LANE_DEAD_SETTLE,
        .link = PG_LINK_DEAD,
        .most = 1,
        .send = send_settle,
        .answer = answer_settle,
        .refuse = refuse_settle,
};

void pg_dead_settle(struct store *s, const struct dead_settle *settle, dead_settled *done, void *arg)
{
        struct dead_settling *own = settle->count <= DEAD_SETTLE_MAX ? malloc(sizeof(*own)) : NULL;
        struct problem why;

        if (!own) {
                problem_set(&why, "store", "refused", "out of memory, or more than %d at once", DEAD_SETTLE_MAX);
                done(NULL, 0, &why, arg);
                return;
        }
        own->settle = settle;
        call_add(pg_of(s), &verb_dead_look, own, own, (void (*)(void))done, arg);
}

/* ---- edit ---- */

static int send_edit(struct pg_link *link, struct pg_group *group)
{
        const struct dead_edit *edit = group->calls[0]->what;
        struct pg_arguments *a = &link->store->arguments;
        struct column *body;

        arguments_reset(a);
        pg_dead_add_act(a, group->calls[0], &edit->act, "edit");
        arguments_number(a, edit->entry);
        body = arguments_array(a, COLUMN_BYTEA);
        if (edit->body.data)
                column_bytes(body, edit->body);
        else
                column_null(body);
        arguments_number(a, edit->version);
        return pg_link_send(link, group, &pg_sql_dead_edit);
}

static void answer_edit(struct pg_link *link, struct pg_group *group)
{
        struct pg_call *call = group_take(group, 0);

        call_done(link->store, call, PQntuples(group->results[0]) > 0 ? STORE_DONE : STORE_ALREADY, bytes_of(NULL, 0));
}

const struct pg_verb verb_dead_edit = {
        .lane = LANE_DEAD_EDIT,
        .link = PG_LINK_DEAD,
        .most = 1,
        .send = send_edit,
        .answer = answer_edit,
        .refuse = refuse_done,
};

void pg_dead_edit(struct store *s, const struct dead_edit *edit, store_done *done, void *arg)
{
        call_add(pg_of(s), &verb_dead_edit, edit, NULL, (void (*)(void))done, arg);
}
