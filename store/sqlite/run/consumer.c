/* SPDX-License-Identifier: Apache-2.0 */
/* Consumers: where they stand, and their steps. */
#include "store/consumer.h"

#include "store/sqlite/dead/dead.h"
#include "store/sqlite/lite.h"
#include "store/sqlite/run/inbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- a step ---- */

struct lite_step_call {
        struct lite_call call;
        const struct consumer_step *step; /* until it is answered */
        size_t count;                     /* of its items */
        char *ids;                        /* "CONSUMER/EVENT" of its items, one behind the other; after the entries */
        struct lite_inbox_entry entries[];
};

/* Nothing of it is to be stored: its changes are rolled back. */
static int step_void(struct lite_step_call *c, const char *code, const char *text)
{
        problem_set(&c->call.work.why, "store", code, "%s", text);
        return SQLITE_CONSTRAINT;
}

static int step_hold(struct lite_step_call *c, sqlite3 *db, int64_t now_us)
{
        struct query q = query_of(db, &lite_sql_consumer_hold);
        int rc;

        query_text(&q, c->step->consumer);
        query_number(&q, c->step->epoch);
        query_text(&q, c->step->position);
        query_number(&q, now_us);
        rc = query_run(&q);
        return rc == SQLITE_OK && sqlite3_changes(db) == 0
                       ? step_void(c, "overtaken", "somebody else has taken the consumer")
                       : rc;
}

static int step_act(struct lite_step_call *c, size_t i, sqlite3 *db, int64_t now_us)
{
        unsigned char key[KEY_SIZE];
        enum store_result result;
        const int rc = lite_inbox_look(&c->entries[i], db, &result);

        if (rc != SQLITE_OK || result == STORE_ALREADY)
                return rc;
        if (result == STORE_STALE)
                return step_void(c, "stale", "somebody else wrote a fact that is written once");
        store_key_make(key);
        return lite_inbox_write(&c->entries[i], &c->call, key, db, now_us);
}

static int step_end_wait(const struct consumer_step *step, int64_t number, sqlite3 *db)
{
        struct query q = query_of(db, &lite_sql_consumer_over);

        query_text(&q, step->consumer);
        query_number(&q, number);
        return query_run(&q);
}

static int step_put_off(const struct consumer_step *step, const struct consumer_later *later, sqlite3 *db,
                        int64_t now_us)
{
        struct query q = query_of(db, &lite_sql_consumer_later);

        query_text(&q, step->consumer);
        query_number(&q, later->number);
        query_number(&q, later->attempts);
        query_number(&q, now_us + (int64_t)later->delay_ms * 1000);
        return query_run(&q);
}

static int step_put_aside(const struct consumer_step *step, const struct consumer_wait *wait, sqlite3 *db,
                          int64_t now_us)
{
        struct query q = query_of(db, &lite_sql_consumer_wait);

        query_text(&q, step->consumer);
        query_text(&q, wait->key);
        query_text(&q, wait->event_id);
        query_number(&q, wait->attempts);
        query_number(&q, now_us + (int64_t)wait->delay_ms * 1000);
        query_text_bytes(&q, wait->event);
        return query_run(&q);
}

static int step_waits(const struct consumer_step *step, sqlite3 *db, int64_t now_us)
{
        int rc = SQLITE_OK;

        for (size_t i = 0; rc == SQLITE_OK && i < step->over_count; i++)
                rc = step_end_wait(step, step->overs[i], db);
        for (size_t i = 0; rc == SQLITE_OK && i < step->later_count; i++)
                rc = step_put_off(step, &step->laters[i], db, now_us);
        for (size_t i = 0; rc == SQLITE_OK && i < step->wait_count; i++)
                rc = step_put_aside(step, &step->waits[i], db, now_us);
        return rc;
}

static int step_run(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_step_call *c = (struct lite_step_call *)work;
        const struct consumer_step *step = c->step;
        const int64_t now_us = lite_now_us();
        enum store_result filed;
        int rc;

        c->call.scheduled_id = 0;
        rc = step->epoch ? step_hold(c, db, now_us) : SQLITE_OK;
        for (size_t i = 0; rc == SQLITE_OK && i < step->item_count; i++)
                rc = step_act(c, i, db, now_us);
        if (rc == SQLITE_OK)
                rc = step_waits(step, db, now_us);
        for (size_t i = 0; rc == SQLITE_OK && i < step->letter_count; i++)
                rc = lite_file_letter(&step->letters[i], db, &filed);
        return rc;
}

static enum consumer_end step_ended(enum sqlite_end end, const struct problem *said)
{
        if (end == SQLITE_END_COMMITTED)
                return CONSUMER_DONE;
        if (end == SQLITE_END_CLOSED)
                return CONSUMER_CLOSED;
        if (said && strcmp(said->code, "overtaken") == 0)
                return CONSUMER_OVERTAKEN;
        return said && strcmp(said->code, "stale") == 0 ? CONSUMER_STALE : CONSUMER_REFUSED;
}

static void lite_step_done(struct sqlite_work *work, enum sqlite_end end, const struct problem *said)
{
        struct lite_step_call *c = (struct lite_step_call *)work;
        struct lite_store *s = c->call.store;
        struct problem why;

        if (c->call.scheduled_id == s->seen_id + 1)
                s->seen_id = c->call.scheduled_id;
        end = lite_call_end(&c->call, end);
        lite_why(&c->call, end, said, &why);
        if (step_ended(end, said) == CONSUMER_STALE)
                why = *said;
        ((consumer_done *)c->call.done)(step_ended(end, said), end == SQLITE_END_COMMITTED ? NULL : &why, c->call.arg);
        lite_call_free(&c->call);
}

static const char *step_about(const struct sqlite_work *work)
{
        return ((const struct lite_step_call *)work)->step->consumer;
}

static const struct sqlite_verb step_verb = {
        .run = step_run, .done = lite_step_done, .name = "consume", .about = step_about
};

static void step_clear(struct lite_call *call)
{
        struct lite_step_call *c = (struct lite_step_call *)call;

        for (size_t i = 0; i < c->count; i++)
                lite_inbox_clear(&c->entries[i]);
}

static bool lite_step_fill(struct lite_step_call *c)
{
        const struct consumer_step *step = c->step;
        char *at = c->ids;
        bool ok = true;

        for (size_t i = 0; ok && i < step->item_count; i++) {
                const char *id = at;

                at = inbox_id_write(at, &step->items[i]);
                ok = lite_inbox_fill(&c->entries[i], &step->items[i], id);
        }
        return ok;
}

void lite_consumer_step(struct store *s, const struct consumer_step *step, consumer_done *done, void *arg)
{
        size_t size = sizeof(struct lite_step_call) + step->item_count * sizeof(struct lite_inbox_entry);
        struct lite_step_call *c;
        struct problem why;

        assert(step->item_count <= CONSUMER_STEP_MAX);
        const size_t ids = size;

        for (size_t i = 0; i < step->item_count; i++)
                size += inbox_id_size(&step->items[i]);
        c = lite_call_new(lite_of(s), size, (void (*)(void))done, arg);
        if (c) {
                c->step = step;
                c->count = step->item_count;
                c->ids = (char *)c + ids;
                c->call.clear = step_clear;
                if (lite_step_fill(c)) {
                        lite_call_start(&c->call, &step_verb);
                        return;
                }
                lite_call_free(&c->call);
        }
        problem_set(&why, "store", "out_of_memory", "out of memory");
        done(CONSUMER_STARVED, &why, arg);
}

/* ---- a dead letter that is requeued ---- */

bool lite_is_for_consumer(const struct message *m)
{
        return !*m->exchange && strncmp(m->routing_key, CONSUMER_QUEUE, strlen(CONSUMER_QUEUE)) == 0;
}

int lite_ask_consumer(const struct message *m, int64_t due_ms, sqlite3 *db)
{
        struct query q = query_of(db, &lite_sql_consumer_asked);

        query_text(&q, m->routing_key + strlen(CONSUMER_QUEUE));
        query_number(&q, due_ms * 1000);
        query_text_bytes(&q, m->body);
        return query_run(&q);
}

/* ---- asking ---- */

struct lite_consumer_ask {
        struct lite_call call; /* its text: the answer */
        unsigned limit;
        char *holder; /* behind the name, or NULL */
        char name[];
};

static void consumer_bind_name(struct query *q, const void *ask)
{
        query_text(q, ((const struct lite_consumer_ask *)ask)->name);
}

static int consumer_run_take(struct sqlite_work *work, sqlite3 *db)
{
        static const struct statement *const parts[] = { &lite_sql_consumer_taken, &lite_sql_consumer_held };
        struct lite_consumer_ask *c = (struct lite_consumer_ask *)work;
        struct query q = query_of(db, &lite_sql_consumer_take);
        int rc;

        buffer_reset(&c->call.text);
        query_text(&q, c->name);
        query_text(&q, c->holder);
        query_number(&q, lite_now_us());
        rc = query_run(&q);
        if (rc != SQLITE_OK)
                return rc;
        return lite_answer_parts(&c->call.text, db, answer_consumer, parts, consumer_bind_name, c);
}

static void consumer_bind_waiting(struct query *q, const void *call)
{
        const struct lite_consumer_ask *ask = call;

        query_text(q, ask->name);
        query_number(q, lite_now_us());
        query_number(q, ask->limit);
}

static int consumer_run_waiting(struct sqlite_work *work, sqlite3 *db)
{
        static const struct statement *const parts[] = { &lite_sql_consumer_due, &lite_sql_consumer_wait_ms };
        struct lite_consumer_ask *c = (struct lite_consumer_ask *)work;

        return lite_answer_parts(&c->call.text, db, answer_waiting, parts, consumer_bind_waiting, c);
}

static int consumer_run_held(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_consumer_ask *c = (struct lite_consumer_ask *)work;
        struct query q = query_of(db, &lite_sql_consumer_held);

        query_text(&q, c->name);
        return lite_answer(&c->call.text, &q);
}

static int consumer_run_list(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_consumer_ask *c = (struct lite_consumer_ask *)work;
        struct query q = query_of(db, &lite_sql_consumer_list);

        return lite_answer(&c->call.text, &q);
}

static const struct sqlite_verb take_verb = { .run = consumer_run_take, .done = lite_read, .name = "take" };
static const struct sqlite_verb held_verb = { .run = consumer_run_held, .done = lite_read, .reads = true };
static const struct sqlite_verb waiting_verb = { .run = consumer_run_waiting, .done = lite_read, .reads = true };
static int consumer_run_aggregates(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_consumer_ask *c = (struct lite_consumer_ask *)work;
        struct query q = query_of(db, &lite_sql_consumer_aggregates);

        query_text(&q, c->name);
        query_text(&q, c->holder);
        query_number(&q, c->limit);
        return lite_answer(&c->call.text, &q);
}

static int consumer_run_missed(struct sqlite_work *work, sqlite3 *db)
{
        enum { DAYS = 29 };
        struct lite_consumer_ask *c = (struct lite_consumer_ask *)work;
        struct query q = query_of(db, &lite_sql_consumer_missed);

        query_text(&q, c->name);
        query_text(&q, c->holder);
        query_number(&q, c->limit);
        query_number(&q, lite_now_us() - DAYS * 86400LL * 1000000);
        return lite_answer(&c->call.text, &q);
}

static const struct sqlite_verb missed_verb = { .run = consumer_run_missed, .done = lite_read, .reads = true };
static const struct sqlite_verb aggregates_verb = { .run = consumer_run_aggregates, .done = lite_read, .reads = true };
static const struct sqlite_verb list_verb = { .run = consumer_run_list, .done = lite_read, .reads = true };

static void consumer_start_ask(struct store *s, const struct sqlite_verb *verb, const char *name, const char *holder,
                               unsigned limit, json_done *done, void *arg)
{
        const size_t size = strlen(name) + 1, more = holder ? strlen(holder) + 1 : 0;
        struct lite_consumer_ask *c = lite_call_new(lite_of(s), sizeof(*c) + size + more, (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_read(done, arg);
                return;
        }
        c->limit = limit;
        memcpy(c->name, name, size);
        if (holder)
                c->holder = memcpy(c->name + size, holder, more);
        lite_call_start(&c->call, verb);
}

void lite_consumer_take(struct store *s, const char *name, const char *holder, json_done *done, void *arg)
{
        consumer_start_ask(s, &take_verb, name, holder, 0, done, arg);
}

void lite_consumer_held(struct store *s, const char *name, json_done *done, void *arg)
{
        consumer_start_ask(s, &held_verb, name, NULL, 0, done, arg);
}

void lite_consumer_waiting(struct store *s, const char *name, unsigned limit, json_done *done, void *arg)
{
        consumer_start_ask(s, &waiting_verb, name, NULL, limit, done, arg);
}

void lite_consumer_missed(struct store *s, const char *name, const char *hears, unsigned limit, json_done *done,
                          void *arg)
{
        consumer_start_ask(s, &missed_verb, name, hears, limit, done, arg);
}

void lite_consumer_list(struct store *s, json_done *done, void *arg)
{
        consumer_start_ask(s, &list_verb, "", NULL, 0, done, arg);
}

void lite_consumer_aggregates(struct store *s, const struct fact_set *after, unsigned limit, json_done *done, void *arg)
{
        consumer_start_ask(s, &aggregates_verb, after ? after->owner : "", after ? after->kind : "", limit, done, arg);
}

/* ---- facts ---- */

struct lite_facts_call {
        struct lite_call call; /* its text: of each set an object as JSON, and a NUL byte */
        size_t count;
        struct fact_set sets[]; /* their texts behind them */
};

static int facts_run(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_facts_call *c = (struct lite_facts_call *)work;
        int rc = SQLITE_OK;

        buffer_reset(&c->call.text);
        for (size_t i = 0; rc == SQLITE_OK && i < c->count; i++)
                rc = lite_read_facts(&c->call.text, db, &c->sets[i]);
        return rc == SQLITE_OK && c->call.text.failed ? SQLITE_NOMEM : rc;
}

static void lite_facts_done(struct sqlite_work *work, enum sqlite_end end, const struct problem *said)
{
        struct lite_facts_call *c = (struct lite_facts_call *)work;
        const char *at = (const char *)c->call.text.data;
        json_t *facts = json_object();
        struct problem why;
        bool ok = facts != NULL;

        end = lite_call_end(&c->call, end);
        lite_why(&c->call, end, said, &why);
        for (size_t i = 0; end == SQLITE_END_COMMITTED && ok && i < c->count; i++) {
                ok = fact_found(facts, &c->sets[i], bytes_of_string(at)) == 0;
                at += strlen(at) + 1;
        }
        ok = ok && end == SQLITE_END_COMMITTED;
        ((json_done *)c->call.done)(ok ? facts : NULL, ok ? NULL : &why, c->call.arg);
        json_decref(facts);
        lite_call_free(&c->call);
}

/* Of each aggregate an array as JSON, and a NUL byte. */
static int history_run(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_facts_call *c = (struct lite_facts_call *)work;
        int rc = SQLITE_OK;

        buffer_reset(&c->call.text);
        for (size_t i = 0; rc == SQLITE_OK && i < c->count; i++) {
                struct query q = query_of(db, &lite_sql_consumer_history);
                struct answer events = { 0 };

                query_text(&q, c->sets[i].kind);
                query_text(&q, c->sets[i].owner);
                rc = lite_add_rows(&events, q.gives, 0, &q);
                answer_end(&events, q.gives, &c->call.text);
                buffer_add_byte(&c->call.text, '\0');
        }
        return rc == SQLITE_OK && c->call.text.failed ? SQLITE_NOMEM : rc;
}

static const struct sqlite_verb history_verb = { .run = history_run, .done = lite_facts_done, .reads = true };
static const struct sqlite_verb facts_verb = { .run = facts_run, .done = lite_facts_done, .reads = true };

static void facts_start(struct store *s, const struct sqlite_verb *verb, const struct fact_set *sets, size_t count,
                        json_done *done, void *arg)
{
        struct lite_facts_call *c =
                lite_call_new(lite_of(s), sizeof(*c) + fact_sets_size(sets, count), (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_read(done, arg);
                return;
        }
        c->count = count;
        fact_sets_copy(c->sets, sets, count);
        lite_call_start(&c->call, verb);
}

void lite_consumer_facts(struct store *s, const struct fact_set *sets, size_t count, json_done *done, void *arg)
{
        facts_start(s, &facts_verb, sets, count, done, arg);
}

void lite_consumer_history(struct store *s, const struct fact_set *aggregates, size_t count, json_done *done, void *arg)
{
        facts_start(s, &history_verb, aggregates, count, done, arg);
}
