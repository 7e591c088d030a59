/* SPDX-License-Identifier: Apache-2.0 */
/* The door to the store: verbs of tasks and jobs, never SQL outside a backend. Everything is called on, and answered on, the
 * loop thread; no call waits. Calls that arrive while a transaction is under way go together in the next one.
 * While the store is away calls wait here and are repeated when it is back: every verb may safely be repeated. */
#ifndef CHARD_STORE_H
#define CHARD_STORE_H

#include "core/bytes.h"
#include "core/door_counts.h"
#include "core/problem.h"
#include "message/message.h"
#include "store/dead_letter.h"
#include "store/carry.h"
#include "store/fact.h"
#include "store/job_filter.h"
#include "store/outcome.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct store {
        const struct store_backend *backend;
        struct door_counts counts; /* read by store_counts */
};

/* How its calls have fared since it was opened. */
static inline const struct door_counts *store_counts(const struct store *s)
{
        return &s->counts;
}

struct store_config {
        uv_loop_t *loop;
        const char *url;
        const char *owner; /* the worker's name: leases held under it are released at open when release_leases is set */
        bool release_leases;
        bool alone; /* nobody else may use it meanwhile; code "in_use" when somebody does. Of a store that is a file; others let everybody in */
        unsigned connect_timeout_ms;
        unsigned
                answer_timeout_ms; /* a transaction that takes longer is given up, and a server that is silent for longer
                                      * counts as away; 0 = 10 s */
        void (*changed)(bool up, const char *why, void *arg); /* after each loss and return; may be NULL */
        void *arg;
};

/* ---- claim: may this task run now? ---- */

struct claim {
        const char *id, *root_id, *parent_id, *name; /* parent_id may be NULL; all borrowed until done */
        const char *pipeline;                        /* of the job, "" = none; NULL: no job row is kept */
        const struct fact_set *sees;                 /* facts that are wanted; those without an owner are passed over */
        unsigned see_count;
        unsigned retries; /* of the message: a claim older than the stored attempts is superseded */
        unsigned nesting; /* of the message, how often the task was replaced: so is one older than its replacement */
        unsigned lease_ms;
};

enum claim_verdict {
        CLAIM_GRANTED,    /* run it; the lease is ours */
        CLAIM_DONE,       /* it has succeeded before: `result` is there, publish what follows */
        CLAIM_DEAD,       /* it has failed for good before: `error` is there, make sure of its dead letter */
        CLAIM_SUPERSEDED, /* a later attempt of it is scheduled: drop this message */
        CLAIM_LEASED,     /* somebody runs it, or has its answer: come back in wait_ms */
        CLAIM_REVOKED,    /* it was revoked: drop this message */
        CLAIM_REFUSED,    /* the store can't take this task's data (`why`) */
        CLAIM_CLOSED,     /* the store was closed; nothing is known */
        CLAIM_STARVED,    /* memory ran out before the store was asked: nothing has happened */
};

/* A lease that is over is kept for a task that its owner's last beat names in "uncommitted": what it paid for waits to be committed. Not of an owner
 * that has been silent for 20 s. */
enum { CLAIM_AGAIN_MS = 1000 }; /* until when somebody else then looks again */

/* Borrowed for the length of the callback. */
struct claim_reply {
        enum claim_verdict verdict;
        unsigned starts; /* how often it was started, this time included */
        uint64_t wait_ms;
        struct bytes result; /* CLAIM_DONE: JSON text */
        json_t *sends;       /* CLAIM_DONE, CLAIM_SUPERSEDED by its replacement: what its commit said, or NULL */
        json_t *error; /* CLAIM_DEAD: {"source","code","text","attempts"} and, where it raised one, "exception": {"type","module","args"} */
        json_t *facts; /* {kind: {owner: {key: value}}}, each that was asked for; NULL when none was */
        struct problem why;
};
typedef void claim_done(const struct claim_reply *reply, void *arg);

/* ---- commit, retry, fail, schedule ---- */

enum store_result {
        STORE_DONE,
        STORE_ALREADY, /* commit: another run of this task was first; `result` is what it committed */
        STORE_STALE, /* commit: somebody else wrote a fact of the kind that is written once, or the task was revoked meanwhile; nothing committed, claim again */
        STORE_REFUSED, /* the data can't be stored (`why`); harms only this task */
        STORE_CLOSED,  /* the store was closed first: it may or may not have happened */
        STORE_STARVED, /* memory ran out before the store was asked (`why`): nothing has happened, ask again or hand back */
};
typedef void store_done(enum store_result result, struct bytes stored, const struct problem *why, void *arg);

/* A finished attempt; everything borrowed until done. */
struct commit {
        const char *id, *root_id;
        struct bytes
                result; /* the document as JSON text; empty: the task is replaced, and goes on under its id as `sends` says */
        unsigned nesting;              /* as in the claim */
        const json_t *sends;           /* kept for whoever claims it again, or NULL */
        const struct outcome *outcome; /* events and facts */
        unsigned
                branches; /* of the job that go on from here: 0 = this one ends, 1 = it goes on. Once all have ended the job succeeds, unless it
                            * has failed or was revoked */
        bool has_job;
        const char *provider, *model; /* or NULL */
        unsigned tokens_in, tokens_out;
        int64_t cost_nano;
        unsigned elapsed_ms;
        const char *name,
                *pipeline; /* as in the claim, or NULL: for rows that are made again when a crash of the server lost the claim */
        const char *traceparent; /* W3C trace context that the events carry on, or NULL */
        const json_t *
                chain; /* what follows, as in the message (reversed), or NULL: kept with the job, so that a lost message can be made again */
        const char *
                chord_part; /* "GROUP:INDEX" where it is part of a chord's header, so that the header can be counted from here; or NULL */
};

/* Published later, or surely. */
struct scheduled {
        const struct message *message; /* borrowed until done */
        int64_t due_ms;                /* wall clock */
        const char *reason;            /* "retry", "eta", "paused", "leased", "enqueue", "requeue", … */
        const char *task_id;           /* or NULL */
};

/* A failed attempt: scheduled again when `again` is set, else the task and its job fail. One transaction. Borrowed until done.
 * The task may never have been claimed (its arguments were refused first): then its row, and its job's, are made here.
 * A task that has succeeded keeps its state and result (its successors could not be published): only its job fails. */
struct failure {
        const char *id, *root_id, *parent_id, *name; /* parent_id may be NULL */
        const char *pipeline;                        /* of the job, "" = none; NULL: no job row is kept */
        unsigned attempts;                           /* failed attempts so far, this one included */
        const struct problem *why;
        bool transient; /* it may pass: told with the error to whoever buries the task later */
        bool excused; /* it was the endpoint's fault: its start is given back, as if it had been handed back; only with `again` */
        const struct scheduled *again;
        unsigned tokens_in, tokens_out;
        int64_t cost_nano;
        const char *chord_part; /* as a commit's; counts once the task has failed for good */
        /* The event that goes into `event` and `outbox` when the job fails of it, and had not failed already; NULL: none. */
        const char *aggregate_type, *event_type; /* "order", "OrderFailed"; the aggregate's id is root_id */
        const json_t *payload;
        const char *traceparent; /* or NULL */
};

/* A handed-back attempt (paused model, shutdown): the lease ends, no attempt is counted; scheduled when `again` is set. */
struct release_lease {
        const char *id;
        const struct scheduled *again; /* or NULL: the message went back to its queue */
};

/* A task that must never run; all borrowed until done. It may not be known yet. */
struct revocation {
        const char *id, *root_id, *parent_id; /* parent_id may be NULL */
        const char *name;                     /* "" = not known */
        const char *pipeline;                 /* of the job, "" = none; NULL: only a job that is there ends with it */
        bool ours;                            /* it runs here, and has been stopped */
};

/* ---- the releaser ---- */

/* One due message; `message` is the caller's to take (set it NULL). */
struct due {
        int64_t id;
        int64_t due_ms;
        struct message *message;
        unsigned returns; /* how often it was published before and no queue took it */
};
/* `due` is borrowed for the length of the callback; next_ms = wall clock of the next one after these, or 0 = none known.
 * The rows stay locked for this worker until forget is called with those that were confirmed. */
typedef void release_done(struct due *due, size_t count, int64_t next_ms, void *arg);

/* What became of released rows, by their ids; copied. */
struct forgetting {
        const int64_t *confirmed, *returned; /* returned: no queue took them */
        size_t confirmed_count, returned_count;
};

/* ---- results owed ---- */

/* What is still to be told of a task that has ended, kept until the result backend takes it. Borrowed until done. */
struct owed_result {
        const char *task_id;           /* or NULL */
        const char *queue;             /* that the task's message came from */
        struct bytes properties, body; /* of that message, as received */
        struct bytes telling;          /* JSON text that only the worker reads (worker/owe.c) */
        unsigned wait_ms;              /* nobody takes it before that long has passed */
};

/* ---- reading and tending ---- */

/* A JSON value (borrowed for the length of the callback), or NULL when nothing is there; `why` is set when the store failed. */
typedef void json_done(json_t *value, const struct problem *why, void *arg);

/* A failure's error record, as the store keeps it. New reference; NULL when memory ran out. Pure. */
json_t *failure_error(const struct failure *f);

/* ---- migrating ---- */

struct store_migration {
        const char *url;
        unsigned connect_timeout_ms;               /* 0 = 5000 */
        const struct fact_view *const *views;      /* lists of views, NULL-terminated; NULL = none */
        void (*said)(const char *line, void *arg); /* hears one line a step; or NULL */
        void *arg;
};

struct store_backend {
        const char *const *schemes; /* NULL-terminated */

        /* Connect and check the schema's version; waits up to connect_timeout_ms. Returns 0; 1 with `why` (source "store": "bad_url",
         * "unreachable", "schema_missing", "schema_too_old", "schema_too_new"); or -errno. */
        int (*open)(struct store **out, const struct store_config *config, struct problem *why);

        void (*claim)(struct store *s, const struct claim *claim, claim_done *done, void *arg);
        void (*commit)(struct store *s, const struct commit *commit, store_done *done, void *arg);
        void (*fail)(struct store *s, const struct failure *failure, store_done *done, void *arg);
        void (*give_back)(struct store *s, const struct release_lease *release, store_done *done, void *arg);
        void (*schedule)(struct store *s, const struct scheduled *scheduled, store_done *done, void *arg);
        /* Mark it, and its job, as revoked, unless it has ended or runs elsewhere. */
        void (*revoke)(struct store *s, const struct revocation *revocation, store_done *done, void *arg);

        /* Lock and hand over up to `limit` due messages; one release at a time. */
        void (*release)(struct store *s, int64_t now_ms, unsigned limit, release_done *done, void *arg);
        /* Delete the rows that were confirmed; the others of this release become due again ten seconds later, so that
         * what no queue takes never blocks what others do; then call done. Those that no queue took are counted as such. */
        void (*forget)(struct store *s, const struct forgetting *what, store_done *done, void *arg);
        /* Told when somebody else scheduled something due at about `due_ms` (LISTEN/NOTIFY). */
        void (*on_scheduled)(struct store *s, void (*heard)(int64_t due_ms, void *arg), void *arg);

        /* Keep a result that is owed. */
        void (*owe)(struct store *s, const struct owed_result *owed, store_done *done, void *arg);
        /* At most `limit` of them, oldest first, in an array: [{"id","task_id","queue","properties","body","telling"}], the last three as hexadecimal.
         * Nobody else gets them for half a minute. */
        void (*owed_take)(struct store *s, unsigned limit, json_done *done, void *arg);
        /* Of those: delete the ones that were told; the others are anybody's again, at once. Copied. */
        void (*owed_settle)(struct store *s, const int64_t told[], size_t told_count, const int64_t untold[],
                            size_t untold_count, store_done *done, void *arg);

        /* The parts of a chord's header that have ended, by index: [{"id","part","state","result" (text or null),"error"}], all of them. */
        void (*chord_parts)(struct store *s, const char *group_id, json_done *done, void *arg);
        /* Scheduled messages, the first due first: [{"id","task_id","reason","exchange","routing_key","due_ms","created_ms","returns","size"}]. `which` picks those that
         * fit all of its members: {"ids": […], "reason": text, "unroutable": true (no queue took them when they were last published), "limit": N}. Copied. */
        void (*scheduled_list)(struct store *s, const json_t *which, json_done *done, void *arg);
        /* Delete them, and write down who did, in dead_letter_audit, in the same transaction: {…, "who","note","scope","operation"}. Those that are being
         * published at this moment stay. Answers with what was deleted, as scheduled_list does. */
        void (*scheduled_drop)(struct store *s, const json_t *which, json_done *done, void *arg);

        /* Write this worker's row: {"consuming": …} as `state`; other workers' rows older than a day go. */
        void (*beat)(struct store *s, const json_t *state, store_done *done, void *arg);
        /* A worker's row: {"name","state","started_at","beat_at","age_ms"}. */
        void (*worker)(struct store *s, const char *name, json_done *done, void *arg);
        /* A job: {"id","pipeline","state","document","error","created_at","finished_at","tasks":[{"id","name","state","attempts","starts","tokens_in","tokens_out","cost_usd","elapsed_ms","error"…}],
         * "events":[{"type","version","payload","created_at"}]}. */
        void (*job)(struct store *s, const char *root_id, json_done *done, void *arg);
        /* ---- jobs, for those who do not run them (store/job_filter.h) ---- */

        /* A page of jobs, newest first: {"jobs": [{"id","pipeline","state","user_id","created_at","finished_at","error"}], "cursor": text or null}. A page looks
         * at a bounded number of rows, so it may hold fewer than `limit` jobs and still have a cursor: go on until that is null. The filter is copied.
         * `why` has code "bad_cursor" for another backend's. */
        void (*job_list)(struct store *s, const struct job_filter *filter, json_done *done, void *arg);
        /* What has this id, or one that begins so (at most 21 of each kind): [{"job","id","kind","name","properties","due_ms"}]; kinds: "job", "task", "dead" (a dead letter),
         * "scheduled" (a message: its job is null, its properties are given as hexadecimal), "chain" (a task that nobody has begun). */
        void (*job_find)(struct store *s, const char *prefix, json_done *done, void *arg);
        /* What happened to these jobs, each after its position: [{"job","position","kind" ("task", "event", "job"),"task_id","name","state","attempt","at","payload"}],
         * at most 500 of a job, in the order of the positions, which count from 1 without a gap and stay what they are. Where that is all, a backend may
         * add {"job","version"}, and say nothing of the job while it has that version. The ids are copied. */
        void (*job_follow)(struct store *s, const struct job_follow *follows, size_t count, json_done *done, void *arg);
        /* Be told when somebody else, in this process or another, may have changed something; NULL ends it. False where a backend can't tell: ask now and then. */
        bool (*on_touched)(struct store *s, void (*touched)(void *arg), void *arg);
        /* Revoke what has not ended of it: {"state": the job's now, "revoked": how many tasks, "tasks": their ids}. One that runs commits nothing any more; one that
         * nobody knows of yet is revoked when it is claimed. */
        void (*job_cancel)(struct store *s, const char *root_id, json_done *done, void *arg);

        /* {"workers": as of `workers`, "held": [{"owner","count","until"}], "scheduled": {"count","overdue","unroutable","oldest_due_ms"}}; see jobs_load. */
        void (*load)(struct store *s, json_done *done, void *arg);

        /* At most `limit` outbox rows after the position `since` (NULL or "" = from the first), in an order in which nothing is ever put
         * before what was read: [{"position","id","aggregate_type","aggregate_id","type","payload","created_at","tracingspancontext"}].
         * A position is text that only its backend reads; `why` has code "bad_position" for another's. */
        void (*events)(struct store *s, const char *since, unsigned limit, json_done *done, void *arg);

        /* The next tasks among the scheduled messages, a hundred at most: [{"due_ms","exchange","routing_key","properties","body"}], the
         * last two as hexadecimal; those with a body beyond 64 KiB are left out. */
        void (*upcoming)(struct store *s, json_done *done, void *arg);

        /* All workers' rows, as of `worker`, in an array ordered by name. */
        void (*workers)(struct store *s, json_done *done, void *arg);

        /* ---- dead letters and stale jobs (store/dead_letter.h) ---- */

        /* File one; borrowed until done. DONE; ALREADY: it or its task is there as a kept entry, or its key as any entry; REFUSED; CLOSED. */
        void (*dead_file)(struct store *s, const struct dead_letter *letter, store_done *done, void *arg);
        /* A page of them. The query and what it points to are copied. */
        void (*dead_read)(struct store *s, const struct dead_query *query, dead_page_done *done, void *arg);
        /* Groups of what the filter leaves, most entries first: [{"group","name","queue","source","code","cause","message" (of the latest),"count","edited",
         * "users","first_died_at","last_died_at" (ms),"entry" (the latest)}]. */
        void (*dead_groups)(struct store *s, const struct dead_filter *filter, unsigned limit, json_done *done,
                            void *arg);
        /* How many entries the filter leaves, as {"count","upto" (the highest entry, 0 = none),"edited"}. */
        void (*dead_count)(struct store *s, const struct dead_filter *filter, json_done *done, void *arg);
        void (*dead_settle)(struct store *s, const struct dead_settle *settle, dead_settled *done, void *arg);
        /* DONE; ALREADY: the entry is not there, not kept, or of another version. */
        void (*dead_edit)(struct store *s, const struct dead_edit *edit, store_done *done, void *arg);
        /* What was done to an entry, oldest first: [{"at" (ms),"action","who","reason","scope","operation","count" (of that batch)}]. */
        void (*dead_history)(struct store *s, int64_t entry, json_done *done, void *arg);
        /* What is kept and what came and went: {"at" (ms),"kept","groups","oldest_died_at" (ms or null),"rows":[{"name","queue","code","kept","oldest_died_at",
         * "in_1m","in_5m","in_1h","out_1m","out_5m","out_1h"}]}, a row for each task and code that has any of these, most kept first. */
        void (*dead_stats)(struct store *s, json_done *done, void *arg);
        /* Groups that deserve an alarm: [{as of dead_groups, "new": bool,"before": count at its last alarm}]. Who gets them says afterwards
         * whether they were told (dead_alarms_told); meanwhile, and until the lease ends, nobody else gets them. */
        void (*dead_alarms)(struct store *s, const struct dead_alarm_query *query, json_done *done, void *arg);
        /* What became of groups that dead_alarms gave: somebody was told of so many entries, or nobody was. Copied. */
        void (*dead_alarms_told)(struct store *s, const json_t *groups, bool told, json_done *done, void *arg);

        /* Jobs that have not ended and have not moved for their limit, none of whose tasks runs under a live lease or has a message scheduled, oldest first:
         * [{"id","pipeline","state","updated_us","restarts","document","last": {"id","name","parent_id","result","chain"} or null}].
         * "last": its latest task that succeeded, when something follows it in the chain and no task of the job names it as its parent. */
        void (*stale_find)(struct store *s, const struct stale_query *query, json_done *done, void *arg);
        /* Do it, in one transaction, under an advisory lock that only one sweeper has at a time. `items` borrowed until done. */
        void (*stale_settle)(struct store *s, const struct stale_item *items, size_t count, stale_settled *done,
                             void *arg);

        /* ---- moving to another store (store/carry.h); NULL where a backend can't ---- */

        /* At most `limit` rows of a kind after `after` (0 = from the first), each with its "cursor": [{"cursor",…}]. */
        void (*carry_out)(struct store *s, enum carried kind, int64_t after, unsigned limit, json_done *done,
                          void *arg);
        /* Take in such rows; what is here already stays as it is: {"carried": how many were not}. `rows` are borrowed for the length of the call. */
        void (*carry_in)(struct store *s, enum carried kind, const json_t *rows, json_done *done, void *arg);
        /* Rows of a kind up to a cursor stand elsewhere now: those that would act here as well (scheduled messages, kept dead letters) go. */
        void (*carry_off)(struct store *s, enum carried kind, int64_t upto, store_done *done, void *arg);

        bool (*up)(const struct store *s);
        /* Calls that wait for an answer. */
        size_t (*waiting)(const struct store *s);

        /* Answer every open call with CLOSED and give all back. The loop must turn until it is idle: its handles close there. */
        void (*close)(struct store *s);

        /* Bring the schema to this binary's version, and make the views; safe to run twice and from two processes at once. Blocks.
         * Returns 0; 1 with `why`; or -errno. */
        int (*migrate)(const struct store_migration *migration, struct problem *why);
};

/* Open the backend that the URL's scheme names. Errors as backend->open, and 1 with code "bad_url" for an unknown scheme. */
int store_open(struct store **out, const struct store_config *config, struct problem *why);
int store_migrate(const struct store_migration *migration, struct problem *why);

#endif
