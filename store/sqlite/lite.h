/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite backend from inside: each call of a verb is a piece of work for the file's thread (core/sqlite/sqlite.h), which does
 * what has come together in one transaction.
 *
 *     claim()  ->  call  ->  run, on the file's thread  ->  done, on the loop thread  ->  answer
 *
 * `run` sees what the caller lent (struct claim, struct commit, …) and writes its answer into the call; it may run again after
 * a transaction that failed, and starts from nothing each time. JSON values are written as text before they are handed
 * over: jansson's belong to the loop thread. */
#ifndef CHARD_STORE_SQLITE_LITE_H
#define CHARD_STORE_SQLITE_LITE_H

#include "core/sqlite/sqlite.h"
#include "store/access.h"
#include "store/blob.h"
#include "store/carry.h"
#include "store/cdc.h"
#include "store/consumer.h"
#include "store/dead_letter.h"
#include "store/fleet.h"
#include "store/inbox.h"
#include "store/key.h"
#include "store/meaning.h"
#include "store/read.h"
#include "store/run.h"
#include "store/seal.h"
#include "store/shape.h"
#include "store/sqlite/query.h"
#include "store/webhook.h"

struct lite_store;

/* One call of a verb, until it is answered. Put first in what a verb needs beside it. */
struct lite_call {
        struct sqlite_work work;
        struct lite_store *store;
        bool open;                             /* somebody waits for it */
        void (*clear)(struct lite_call *call); /* gives back what the call holds; or NULL */
        void (*done)(void);                    /* the verb's own type of callback */
        void *arg;
        enum store_result result;    /* for verbs with a store_done */
        const char *refused;         /* why the data can't be stored, or NULL */
        struct buffer text;          /* for the answer: a result, JSON */
        int64_t scheduled_id;        /* of the row that it scheduled, or 0 */
        unsigned char key[KEY_SIZE]; /* of that row */
};

struct lite_store {
        struct store store;
        struct store_config config; /* without its texts */
        struct sqlite_part part;
        struct sqlite_file *file;
        char *owner;
        size_t open_calls; /* that somebody waits for */
        bool closing;
        unsigned holds; /* calls on their way and libuv handles: the last one that goes frees the store */
        void (*heard)(int64_t due_ms, void *arg);
        void *heard_arg;
        void (*touched)(void *arg);
        void *touched_arg;
        int64_t seen_id; /* newest scheduled row that somebody here knows of */
        bool looking;    /* for newer ones */
        bool look_again;
        int64_t *released; /* rows locked by the release under way */
        size_t released_count;
        uv_timer_t renew; /* of those locks */
        bool renewing;
        bool maintaining;
};

static inline struct lite_store *lite_of(struct store *s)
{
        return (struct lite_store *)s;
}

/* Microseconds since 1970-01-01 UTC, as the tables have them. Any thread. */
int64_t lite_now_us(void);

/* ---- call.c ---- */

/* A zeroed call of `size` bytes, or NULL when memory ran out. */
void *lite_call_new(struct lite_store *s, size_t size, void (*done)(void), void *arg);

/* Hand it over, as one that somebody waits for; or as one that nobody waits for. When the store is closed it is answered at once. */
void lite_call_start(struct lite_call *call, const struct sqlite_verb *verb);
void lite_call_start_unseen(struct lite_call *call, const struct sqlite_verb *verb);

/* For a verb's `done`: how the call ended, as its caller is told it. While the store closes that is CLOSED, whatever became of it,
 * because whoever is told anything else would go on. */
enum sqlite_end lite_call_end(struct lite_call *call, enum sqlite_end end);

/* Give it back, after it was answered. */
void lite_call_free(struct lite_call *call);

/* The `done` of verbs with a store_done, and of those with a json_done whose answer is `text`. */
void lite_stored(struct sqlite_work *work, enum sqlite_end end, const struct problem *said);
void lite_read(struct sqlite_work *work, enum sqlite_end end, const struct problem *said);

/* Why a call was not carried out, as this store says it: "refused" or "closed". */
void lite_why(const struct lite_call *call, enum sqlite_end end, const struct problem *said, struct problem *why);

/* Append a JSON value as text, NULL as null, and a NUL byte. On the loop thread. */
void lite_add_json(struct buffer *b, const json_t *value);

/* Write the answer that the statement gives, from its rows, and end it. SQLITE_OK or the error. */
int lite_answer(struct buffer *text, struct query *q);

/* The same of an answer with several parts, each of which has a statement of its own, or none and then no rows. `bind` gives a statement its parameters. */
typedef void lite_bind(struct query *q, const void *arg);
int lite_answer_parts(struct buffer *text, sqlite3 *db, const struct answer_part *gives,
                      const struct statement *const parts[], lite_bind *bind, const void *arg);

/* Add the statement's rows to a part of an answer, and end it. SQLITE_OK or the error. */
int lite_add_rows(struct answer *answer, const struct answer_part *gives, unsigned part, struct query *q);

/* End an answer as `text`: what `rc` says, or SQLITE_NOMEM. */
int lite_end_answer(struct buffer *text, struct answer *answer, const struct answer_part *gives, int rc);

/* Write an answer whose only row is these cells. */
int lite_answer_cells(struct buffer *text, const struct answer_part *gives, const struct cell *cells, int rc);
int lite_answer_count(struct buffer *text, int64_t count, int rc);

/* Memory ran out before there was a call: nothing has happened. */
void lite_refuse_stored(store_done *done, void *arg);
void lite_refuse_read(json_done *done, void *arg);

void lite_hold(struct lite_store *s);
void lite_drop(struct lite_store *s);

/* ---- the verbs ---- */

extern const struct store_backend store_sqlite;

/* The numbered migrations of its tables, store/sqlite/schema/ *.sql. */
extern const struct embedded_file embedded_sqlite_store[];
extern const size_t embedded_sqlite_store_count;

void lite_claim(struct store *s, const struct claim *claim, claim_done *done, void *arg);
void lite_commit(struct store *s, const struct commit *commit, store_done *done, void *arg);
void lite_fail(struct store *s, const struct failure *failure, store_done *done, void *arg);
void lite_give_back(struct store *s, const struct release_lease *release, store_done *done, void *arg);
void lite_schedule(struct store *s, const struct scheduled *scheduled, store_done *done, void *arg);
void lite_revoke(struct store *s, const struct revocation *revocation, store_done *done, void *arg);
void lite_release(struct store *s, int64_t now_ms, unsigned limit, release_done *done, void *arg);
void lite_forget(struct store *s, const struct forgetting *what, store_done *done, void *arg);
void lite_on_scheduled(struct store *s, void (*heard)(int64_t due_ms, void *arg), void *arg);
void lite_owe(struct store *s, const struct owed_result *owed, store_done *done, void *arg);
void lite_owed_take(struct store *s, unsigned limit, json_done *done, void *arg);
void lite_owed_settle(struct store *s, const int64_t told[], size_t told_count, const int64_t untold[],
                      size_t untold_count, store_done *done, void *arg);
void lite_beat(struct store *s, const json_t *state, store_done *done, void *arg);
void lite_worker(struct store *s, const char *name, json_done *done, void *arg);
void lite_job(struct store *s, const char *root_id, json_done *done, void *arg);
void lite_job_trail(struct store *s, const char *root_id, json_done *done, void *arg);

void lite_chord_parts(struct store *s, const char *group_id, json_done *done, void *arg);
void lite_lease(struct store *s, const struct lease_ask *ask, json_done *done, void *arg);
void lite_figures(struct store *s, json_done *done, void *arg);
void lite_maintain(struct store *s, store_done *done, void *arg);
void lite_forget_workers(struct store *s, uint64_t silent_ms, json_done *done, void *arg);
void lite_workers(struct store *s, json_done *done, void *arg);
void lite_upcoming(struct store *s, json_done *done, void *arg);
void lite_events(struct store *s, const char *since, unsigned limit, json_done *done, void *arg);

void lite_job_list(struct store *s, const struct job_filter *filter, json_done *done, void *arg);
void lite_job_find(struct store *s, const char *prefix, json_done *done, void *arg);
void lite_job_follow(struct store *s, const struct job_follow *follows, size_t count, json_done *done, void *arg);
bool lite_on_touched(struct store *s, void (*touched)(void *arg), void *arg);
void lite_load(struct store *s, json_done *done, void *arg);
void lite_examine(struct store *s, json_done *done, void *arg);
void lite_scheduled_list(struct store *s, const json_t *which, json_done *done, void *arg);
void lite_scheduled_drop(struct store *s, const json_t *which, json_done *done, void *arg);
void lite_job_cancel(struct store *s, const char *root_id, json_done *done, void *arg);

void lite_inbox_apply(struct store *s, const struct inbox_item *item, store_done *done, void *arg);

void lite_consumer_take(struct store *s, const char *name, const char *holder, json_done *done, void *arg);
void lite_consumer_held(struct store *s, const char *name, json_done *done, void *arg);
void lite_consumer_waiting(struct store *s, const char *name, unsigned limit, json_done *done, void *arg);
void lite_consumer_page(struct store *s, const char *since, unsigned limit, json_done *done, void *arg);
void lite_consumer_facts(struct store *s, const struct fact_set *sets, size_t count, json_done *done, void *arg);
void lite_consumer_history(struct store *s, const struct fact_set *aggregates, size_t count, json_done *done,
                           void *arg);
void lite_consumer_aggregates(struct store *s, const struct fact_set *after, unsigned limit, json_done *done,
                              void *arg);
void lite_consumer_step(struct store *s, const struct consumer_step *step, consumer_done *done, void *arg);
void lite_consumer_list(struct store *s, json_done *done, void *arg);
void lite_consumer_missed(struct store *s, const char *name, const char *hears, unsigned limit, json_done *done,
                          void *arg);

void lite_cdc_look(struct store *s, json_done *done, void *arg);
void lite_cdc_place(struct store *s, const char *position, bool until, json_done *done, void *arg);
void lite_cdc_count(struct store *s, const struct backfill *b, json_done *done, void *arg);
void lite_cdc_backfill(struct store *s, const struct backfill *b, json_done *done, void *arg);

void lite_seal_days(struct store *s, const char *since, json_done *done, void *arg);
void lite_seal_day(struct store *s, const char *day, json_done *done, void *arg);
void lite_seal_make(struct store *s, const char *day, json_done *done, void *arg);

void lite_once_begin(struct store *s, const struct once_ask *ask, json_done *done, void *arg);
void lite_once_settle(struct store *s, const struct once_end *end, store_done *done, void *arg);
void lite_key_add(struct store *s, const struct access_key *key, json_done *done, void *arg);
void lite_key_list(struct store *s, json_done *done, void *arg);
void lite_key_revoke(struct store *s, const char *which, json_done *done, void *arg);

void lite_webhook_add(struct store *s, const struct webhook_wish *wish, store_done *done, void *arg);
void lite_webhook_take(struct store *s, unsigned limit, unsigned lease_ms, json_done *done, void *arg);
void lite_webhook_settle(struct store *s, const struct webhook_try *what, json_done *done, void *arg);
void lite_webhook_list(struct store *s, const char *which, json_done *done, void *arg);
void lite_webhook_resend(struct store *s, const char *which, json_done *done, void *arg);
void lite_webhook_forget(struct store *s, json_done *done, void *arg);

void lite_blob_put(struct store *s, const struct blob *blob, store_done *done, void *arg);
void lite_blob_get(struct store *s, const char *digest, store_done *done, void *arg);
void lite_blob_touch(struct store *s, const struct blob_touch *touch, json_done *done, void *arg);
void lite_blob_forget(struct store *s, uint64_t unused_ms, json_done *done, void *arg);

void lite_carry_out(struct store *s, enum carried kind, int64_t after, unsigned limit, json_done *done, void *arg);
void lite_carry_off(struct store *s, enum carried kind, int64_t upto, store_done *done, void *arg);

/* ---- claim.c ---- */

/* Append what is known of a set, a JSON object and a NUL byte; in any verb's run. SQLITE_OK or the error. */
int lite_read_facts(struct buffer *out, sqlite3 *db, const struct fact_set *set);

/* ---- consumer.c ---- */

/* A requeued dead letter of a consumer: it goes to no broker, but waits for the consumer. SQLITE_OK or the error. */
bool lite_is_for_consumer(const struct message *m);
int lite_ask_consumer(const struct message *m, int64_t due_ms, sqlite3 *db);

/* ---- scheduled.c ---- */

/* Insert the call's scheduled row, or one of several, which has a key of its own. SQLITE_OK or the error. */
int lite_put_scheduled(struct lite_call *call, sqlite3 *db, const struct scheduled *row);
int lite_put_keyed(struct lite_call *call, sqlite3 *db, const unsigned char key[KEY_SIZE], const struct scheduled *row);

/* Somebody else has changed the file: look for rows that they scheduled. */
void lite_look(struct lite_store *s);

/* ---- events.c ---- */

struct lite_event {
        const char *aggregate_type, *aggregate_id, *type, *root_id, *task_id;
        const char *payload;      /* JSON text */
        const char *span_context; /* or NULL */
};

/* Append to the aggregate's events and to the outbox. SQLITE_OK or the error. */
int lite_put_event(sqlite3 *db, const struct lite_event *event, int64_t now_us);

/* ---- release.c ---- */

/* Every few seconds while rows are locked. */
void lite_renew(uv_timer_t *timer);

/* The store closes: unlock what is still locked. */
void lite_unlock(struct lite_store *s);

#endif
