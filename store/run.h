/* SPDX-License-Identifier: Apache-2.0 */
/* The store's door to runs: may a task run, what became of it, what is still owed of it. What the worker uses. */
#ifndef CHARD_STORE_RUN_H
#define CHARD_STORE_RUN_H

#include "store/fact.h"
#include "store/outcome.h"
#include "store/schedule.h"

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
        CLAIM_STARVED,    /* memory ran out before the store was asked, or while its answer was read: ask again */
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

/* ---- commit, retry, fail ---- */

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
        const char *span_context; /* that the events carry on, as trace_write_properties has it; or NULL */
        const json_t *
                chain; /* what follows, as in the message (reversed), or NULL: kept with the job, so that a lost message can be made again */
        const char *
                chord_part; /* "GROUP:INDEX" where it is part of a chord's header, so that the header can be counted from here; or NULL */
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
        const char *span_context; /* as in a commit, or NULL */
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

/* ---- results owed ---- */

/* What is still to be told of a task that has ended, kept until the result backend takes it. Borrowed until done. */
struct owed_result {
        const char *task_id;           /* or NULL */
        const char *queue;             /* that the task's message came from */
        struct bytes properties, body; /* of that message, as received */
        struct bytes telling;          /* JSON text that only the worker reads (worker/results/owe_result.c) */
        unsigned wait_ms;              /* nobody takes it before that long has passed */
};

/* ---- the door ---- */

struct store_run {
        void (*claim)(struct store *s, const struct claim *claim, claim_done *done, void *arg);
        void (*commit)(struct store *s, const struct commit *commit, store_done *done, void *arg);
        void (*fail)(struct store *s, const struct failure *failure, store_done *done, void *arg);
        void (*give_back)(struct store *s, const struct release_lease *release, store_done *done, void *arg);
        /* Mark it, and its job, as revoked; STORE_ALREADY: it has ended, or runs elsewhere, and stays so. */
        void (*revoke)(struct store *s, const struct revocation *revocation, store_done *done, void *arg);
        /* Revoke what has not ended of it: {"state": the job's now, "revoked": how many tasks, "tasks": their ids}. One that runs commits nothing any more; one that
         * nobody knows of yet is revoked when it is claimed. */
        void (*cancel)(struct store *s, const char *root_id, json_done *done, void *arg);

        /* Keep a result that is owed. */
        void (*owe)(struct store *s, const struct owed_result *owed, store_done *done, void *arg);
        /* At most `limit` of them, oldest first, in an array: [{"id","task_id","queue","properties","body","telling"}], the last three as hexadecimal.
         * Nobody else gets them for half a minute. */
        void (*owed_take)(struct store *s, unsigned limit, json_done *done, void *arg);
        /* Of those: delete the ones that were told; the others are anybody's again, at once. Copied. */
        void (*owed_settle)(struct store *s, const int64_t told[], size_t told_count, const int64_t untold[],
                            size_t untold_count, store_done *done, void *arg);

        /* Write this worker's row: {"consuming": …} as `state`. */
        void (*beat)(struct store *s, const json_t *state, store_done *done, void *arg);
};

#endif
