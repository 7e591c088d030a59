/* SPDX-License-Identifier: Apache-2.0 */
/* Consumers: where they stand, and their steps, each a transaction of its own. Few processes do this: nothing is prepared for it. */
#include "store/consumer.h"

#include "store/postgres/dead/dead.h"
#include "store/postgres/postgres.h"
#include "store/postgres/run/inbox.h"
#include "store/postgres/statements.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- a step ---- */

struct pg_step_call {
        const struct consumer_step *step;
        char *ids; /* of its items, one behind the other; after the entries */
        struct inbox_entry entries[];
};

static const struct pg_step_call *consumer_step_of(const struct pg_call *call)
{
        return call->what;
}

static int step_send_hold(struct pg_link *link, struct pg_group *group, const struct consumer_step *step)
{
        struct pg_arguments *a = &link->store->arguments;

        arguments_reset(a);
        arguments_text(a, step->consumer);
        arguments_number(a, step->epoch);
        arguments_text(a, step->position ? step->position : "");
        return pg_link_send_once(link, group, &pg_sql_consumer_hold);
}

static int step_send_acted(struct pg_link *link, struct pg_group *group, const struct consumer_step *step)
{
        struct pg_arguments *a = &link->store->arguments;
        struct column *events;

        arguments_reset(a);
        arguments_text(a, step->consumer);
        events = arguments_array(a, COLUMN_TEXT);
        for (size_t i = 0; i < step->item_count; i++)
                column_text(events, step->items[i].event_id);
        return pg_link_send_once(link, group, &pg_sql_consumer_acted);
}

static void step_add_waits(struct pg_arguments *a, const struct consumer_step *step)
{
        struct column *key = arguments_array(a, COLUMN_TEXT), *event_id = arguments_array(a, COLUMN_TEXT);
        struct column *attempts = arguments_array(a, COLUMN_INT4), *delay = arguments_array(a, COLUMN_INT8);
        struct column *event = arguments_array(a, COLUMN_TEXT);

        for (size_t i = 0; i < step->wait_count; i++) {
                const struct consumer_wait *w = &step->waits[i];

                column_text(key, w->key);
                column_text(event_id, w->event_id);
                column_int4(attempts, w->attempts);
                column_int8(delay, w->delay_ms);
                column_bytes(event, w->event);
        }
}

static int step_send_waits(struct pg_link *link, struct pg_group *group, const struct consumer_step *step)
{
        struct pg_arguments *a = &link->store->arguments;
        struct column *over, *number, *attempts, *delay;

        arguments_reset(a);
        arguments_text(a, step->consumer);
        over = arguments_array(a, COLUMN_INT8);
        for (size_t i = 0; i < step->over_count; i++)
                column_int8(over, step->overs[i]);
        number = arguments_array(a, COLUMN_INT8);
        attempts = arguments_array(a, COLUMN_INT4);
        delay = arguments_array(a, COLUMN_INT8);
        for (size_t i = 0; i < step->later_count; i++) {
                column_int8(number, step->laters[i].number);
                column_int4(attempts, step->laters[i].attempts);
                column_int8(delay, step->laters[i].delay_ms);
        }
        step_add_waits(a, step);
        return pg_link_send_once(link, group, &pg_sql_consumer_wait);
}

static int step_send(struct pg_link *link, struct pg_group *group)
{
        const struct pg_step_call *call = consumer_step_of(group->calls[0]);
        const struct consumer_step *step = call->step;
        int rc = step->epoch ? step_send_hold(link, group, step) : 0;

        if (rc == 0 && step->item_count > 0)
                rc = inbox_send_batch(link, group, &(struct pg_inbox_batch){ call->entries, step->item_count });
        if (rc == 0 && step->item_count > 0)
                rc = step_send_acted(link, group, step);
        if (rc == 0 && (step->wait_count > 0 || step->later_count > 0 || step->over_count > 0))
                rc = step_send_waits(link, group, step);
        return rc == 0 && step->letter_count > 0 ? dead_send_letters(link, group, step->letters, step->letter_count)
                                                 : rc;
}

static void step_answer(struct pg_link *link, struct pg_group *group)
{
        struct pg_call *call = group_take(group, 0);
        consumer_done *done = (consumer_done *)call->done;
        void *arg = call->arg;

        call_free(link->store, call);
        done(CONSUMER_DONE, NULL, arg);
}

static enum consumer_end step_end(enum store_result result, const struct problem *why)
{
        switch (result) {
        case STORE_CLOSED: return CONSUMER_CLOSED;
        case STORE_STARVED: return CONSUMER_STARVED;
        default: break;
        }
        if (strcmp(why->code, "out_of_memory") == 0)
                return CONSUMER_STARVED;
        if (strcmp(why->code, "overtaken") == 0)
                return CONSUMER_OVERTAKEN;
        return strcmp(why->code, "stale") == 0 ? CONSUMER_STALE : CONSUMER_REFUSED;
}

static void step_refuse(struct pg_call *call, enum store_result result, const struct problem *why)
{
        ((consumer_done *)call->done)(step_end(result, why), why, call->arg);
}

static const char *step_id(const struct pg_call *call)
{
        return consumer_step_of(call)->step->consumer;
}

const struct pg_verb verb_consumer = {
        .lane = LANE_CONSUMER,
        .link = PG_LINK_COMMITS,
        .most = 1,
        .id = step_id,
        .send = step_send,
        .answer = step_answer,
        .refuse = step_refuse,
};

static struct pg_step_call *step_new(const struct consumer_step *step)
{
        size_t size = 0;

        for (size_t i = 0; i < step->item_count; i++)
                size += inbox_id_size(&step->items[i]);

        struct pg_step_call *call = malloc(sizeof(*call) + step->item_count * sizeof(call->entries[0]) + size);

        if (!call)
                return NULL;
        *call = (struct pg_step_call){ .step = step, .ids = (char *)&call->entries[step->item_count] };
        char *at = call->ids;

        for (size_t i = 0; i < step->item_count; i++) {
                call->entries[i] = (struct inbox_entry){ .item = &step->items[i], .id = at };
                store_key_make(call->entries[i].key);
                at = inbox_id_write(at, &step->items[i]);
        }
        return call;
}

void pg_consumer_step(struct store *s, const struct consumer_step *step, consumer_done *done, void *arg)
{
        struct pg_step_call *call = step_new(step);

        assert(step->item_count <= CONSUMER_STEP_MAX);
        if (!call) {
                call_refuse(&verb_consumer, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        call_add(pg_of(s), &verb_consumer, call, call, (void (*)(void))done, arg);
}

/* ---- asking ---- */

struct pg_consumer_ask {
        const struct statement *statement;
        const char *holder; /* or NULL */
        unsigned limit;     /* or 0 */
        char name[];
};

static int consumer_send_ask(struct pg_link *link, struct pg_group *group)
{
        const struct pg_consumer_ask *ask = group->calls[0]->what;
        struct pg_arguments *a = &link->store->arguments;

        arguments_reset(a);
        arguments_text(a, ask->name);
        if (ask->holder)
                arguments_text(a, ask->holder);
        if (ask->limit)
                arguments_number(a, ask->limit);
        return pg_link_send_once(link, group, ask->statement);
}

const struct pg_verb verb_consumer_ask = {
        .lane = LANE_CONSUMER_ASK,
        .link = PG_LINK_COMMITS,
        .most = 1,
        .tries = READ_TRIES,
        .send = consumer_send_ask,
        .answer = answer_rows,
        .refuse = refuse_json,
};

static void consumer_add_ask(struct store *s, const struct pg_consumer_ask *wanted, const char *name, json_done *done,
                             void *arg)
{
        const size_t size = strlen(name) + 1, more = wanted->holder ? strlen(wanted->holder) + 1 : 0;
        struct pg_consumer_ask *ask = malloc(sizeof(*ask) + size + more);

        if (!ask) {
                call_refuse(&verb_consumer_ask, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        *ask = *wanted;
        memcpy(ask->name, name, size);
        if (wanted->holder)
                ask->holder = memcpy(ask->name + size, wanted->holder, more);
        call_add(pg_of(s), &verb_consumer_ask, ask, ask, (void (*)(void))done, arg);
}

void pg_consumer_take(struct store *s, const char *name, const char *holder, json_done *done, void *arg)
{
        consumer_add_ask(s, &(struct pg_consumer_ask){ &pg_sql_consumer_take, holder, 0 }, name, done, arg);
}

void pg_consumer_waiting(struct store *s, const char *name, unsigned limit, json_done *done, void *arg)
{
        consumer_add_ask(s, &(struct pg_consumer_ask){ &pg_sql_consumer_waiting, NULL, limit }, name, done, arg);
}

void pg_consumer_held(struct store *s, const char *name, json_done *done, void *arg)
{
        consumer_add_ask(s, &(struct pg_consumer_ask){ &pg_sql_consumer_held, NULL, 0 }, name, done, arg);
}

void pg_consumer_missed(struct store *s, const char *name, const char *hears, unsigned limit, json_done *done,
                        void *arg)
{
        consumer_add_ask(s, &(struct pg_consumer_ask){ &pg_sql_consumer_missed, hears, limit }, name, done, arg);
}

void pg_consumer_list(struct store *s, json_done *done, void *arg)
{
        consumer_add_ask(s, &(struct pg_consumer_ask){ &pg_sql_consumer_list, NULL, 0 }, "", done, arg);
}

/* ---- facts ---- */

struct pg_facts_call {
        const struct statement *statement;
        size_t count;
        struct fact_set sets[]; /* their texts behind them */
};

static int facts_send(struct pg_link *link, struct pg_group *group)
{
        const struct pg_facts_call *call = group->calls[0]->what;
        struct pg_arguments *a = &link->store->arguments;
        struct column *kind, *owner;

        arguments_reset(a);
        kind = arguments_array(a, COLUMN_TEXT);
        owner = arguments_array(a, COLUMN_TEXT);
        for (size_t i = 0; i < call->count; i++) {
                column_text(kind, call->sets[i].kind);
                column_text(owner, call->sets[i].owner);
        }
        return call->statement == &pg_sql_facts ? pg_link_send(link, group, call->statement)
                                                : pg_link_send_once(link, group, call->statement);
}

/* A row a set, in their order. */
static bool facts_read(json_t *facts, const struct pg_facts_call *asked, const PGresult *r)
{
        bool ok = true;

        for (size_t i = 0; ok && i < asked->count && (int)i < PQntuples(r); i++)
                ok = fact_found(facts, &asked->sets[i], field_bytes(r, (int)i, 2)) == 0;
        return ok;
}

/* Of each aggregate, in their order, a row an event. */
static bool history_read(json_t *history, const struct pg_facts_call *asked, const PGresult *r)
{
        bool ok = true;
        int row = 0;

        for (size_t i = 0; ok && i < asked->count; i++) {
                struct answer events = { 0 };
                struct buffer json = { 0 };

                for (; row < PQntuples(r) && field_number(r, row, 0) == (int64_t)i + 1; row++)
                        answer_add_record(&events, answer_history, 0, field_bytes(r, row, 1));
                answer_end(&events, answer_history, &json);
                ok = !json.failed && fact_found(history, &asked->sets[i], buffer_view(&json)) == 0;
                buffer_free(&json);
        }
        return ok;
}

static void facts_answer(struct pg_link *link, struct pg_group *group)
{
        struct pg_call *call = group_take(group, 0);
        const struct pg_facts_call *asked = call->what;
        const PGresult *r = group->results[0];
        json_done *done = (json_done *)call->done;
        json_t *facts = json_object();
        struct problem why;
        void *arg = call->arg;
        const bool ok = facts && (asked->statement == &pg_sql_consumer_history ? history_read(facts, asked, r)
                                                                               : facts_read(facts, asked, r));

        call_free(link->store, call);
        problem_set(&why, "store", "out_of_memory", "out of memory");
        done(ok ? facts : NULL, ok ? NULL : &why, arg);
        json_decref(facts);
}

const struct pg_verb verb_consumer_facts = {
        .lane = LANE_CONSUMER_FACTS,
        .link = PG_LINK_CLAIMS,
        .most = 1,
        .tries = READ_TRIES,
        .send = facts_send,
        .answer = facts_answer,
        .refuse = refuse_json,
};

static void facts_add(struct store *s, const struct statement *statement, const struct fact_set *sets, size_t count,
                      json_done *done, void *arg)
{
        struct pg_facts_call *call = malloc(sizeof(*call) + fact_sets_size(sets, count));

        if (!call) {
                call_refuse(&verb_consumer_facts, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        call->statement = statement;
        call->count = count;
        fact_sets_copy(call->sets, sets, count);
        call_add(pg_of(s), &verb_consumer_facts, call, call, (void (*)(void))done, arg);
}

void pg_consumer_facts(struct store *s, const struct fact_set *sets, size_t count, json_done *done, void *arg)
{
        facts_add(s, &pg_sql_facts, sets, count, done, arg);
}

void pg_consumer_history(struct store *s, const struct fact_set *aggregates, size_t count, json_done *done, void *arg)
{
        facts_add(s, &pg_sql_consumer_history, aggregates, count, done, arg);
}

void pg_consumer_aggregates(struct store *s, const struct fact_set *after, unsigned limit, json_done *done, void *arg)
{
        consumer_add_ask(s, &(struct pg_consumer_ask){ &pg_sql_consumer_aggregates, after ? after->kind : "", limit },
                         after ? after->owner : "", done, arg);
}
