/* SPDX-License-Identifier: Apache-2.0 */
/* The dead letters' door: keeping what dies, and working with what is kept. Everything runs on one loop and answers by callbacks, so that a
 * command, an HTTP API and a console use the same functions. What is looked at is read through the store's verbs (store/dead_letter.h). */
#ifndef CHARD_DLQ_H
#define CHARD_DLQ_H

#include "catalog/catalog.h"
#include "dlq/letter.h"
#include "store/dead_letter.h"

#include <uv.h>

/* ---- the keeper: keeper.c ---- */

/* Everything borrowed until dlq_keeper_close. */
struct dlq_config {
        uv_loop_t *loop;
        const struct catalog *catalog;
        const char *broker_urls, *broker_ca_file;
        const char *broker_admin_url; /* where the broker's settings are looked at, at the start; or NULL */
        const char *store_url;
        const char *name; /* this keeper's own */
        unsigned heartbeat_s, connect_timeout_ms;
        size_t max_body;      /* bodies up to this size are looked into */
        unsigned deadline_ms; /* of every AI call, or 0: each task's own */
        const char *queues;   /* of no task here, whose dead letters are kept too, comma-separated; NULL or "" = none */
        const char *policies; /* which entries are sent back by themselves: duties/policy.h */
        unsigned stale_every_s;  /* between two looks for jobs that got stuck; 0 = never */
        unsigned stale_slack_s;  /* what a job is given beyond what its tasks may take */
        const char *result_urls; /* where chords are counted, for stale jobs that go on with one; "" = nowhere */
        unsigned result_expires_s;
        const char *task_routes, *default_queue; /* where tasks of others go, for the same: message/routes.h; or NULL */
        const char *health_file;                 /* says whether letters are kept; or NULL */
        const char *webhook_url;                 /* told of new and growing groups; NULL or "" = nobody */
        const char *webhook_shape;               /* "slack", "discord", or "": by its host */
        unsigned webhook_every_s;                /* between two messages */
        unsigned webhook_quiet_s;                /* before the same group is told of again */
        void (*stopped)(void *arg);              /* after dlq_keeper_stop: nothing is on its way any more */
        void *arg;
};

struct dlq_keeper;

/* Consume the dead letters of every queue that has a task, and of those named, file each in the store, ack after its commit; and look after what
 * is kept: see the settings CHARD_DLQ_…. While the store is away nothing is consumed.
 * Returns 0; 1 with `why` (as broker_open and store_open say); or -errno. */
int dlq_keeper_open(struct dlq_keeper **out, const struct dlq_config *config, struct problem *why);

/* Take no more and finish what is on its way; then `stopped` is called, at most about three seconds later. */
void dlq_keeper_stop(struct dlq_keeper *k);

/* Give everything back; what is not acked returns to its queue. The loop must turn until it is idle: handles close there. */
void dlq_keeper_close(struct dlq_keeper *k);

/* ---- doing something to many: bulk.c ---- */

struct dlq_tally {
        size_t seen; /* of total */
        size_t total;
        int64_t upto;                      /* the highest entry that was there when they were counted */
        size_t outcomes[DEAD_MISSING + 1]; /* by enum dead_outcome */
        size_t fates
                [FATE_COUNT]; /* those that were not tried, by why; in a rehearsal all, by what would become of them */
        int64_t first[FATE_COUNT]; /* an entry of each such, to look at */
        size_t doomed[FATE_COUNT]; /* those that were sent, and will die again: hopeless and undecodable ones */
        size_t refused;            /* the store could not take them (`why`) */
        int64_t last_due_ms;       /* when the last one that was sent is due */
        struct problem why;
};

enum dlq_end {
        DLQ_ENDED,   /* went through all of them */
        DLQ_STOPPED, /* by dlq_bulk_stop; what is done is done, and the rest can be asked for again */
        DLQ_FAILED,  /* the store refused (`tally->why`) */
};

struct dlq_bulk_config {
        struct store *store;
        const struct catalog *catalog;
        struct dead_filter filter; /* its texts borrowed until done; state is "kept", whatever it says */
        enum dead_action action;
        struct dead_act act; /* borrowed until done; operation is made when NULL */
        bool rehearse;       /* only say what would become of them */
        unsigned rate;       /* entries a second that become due, or 0: all at once */
        const char *to;      /* queue to send them to, or NULL: their own */
        unsigned batch;      /* entries a transaction, at most DEAD_SETTLE_MAX; 0 = that */
        size_t most;         /* no more than so many, or 0 */
        size_t max_body;     /* the largest body that a worker reads */
        /* What became of each entry, or would: `fate` when it was not tried, else `outcome`, or neither (-1) when the store refused it; may be NULL. */
        void (*became)(int64_t entry, int fate, int outcome, void *arg);
        void (*progress)(const struct dlq_tally *tally,
                         void *arg); /* once they are counted, and after each batch; may be NULL */
        void (*done)(enum dlq_end end, const struct dlq_tally *tally, void *arg); /* frees the bulk after it returns */
        void *arg;
};

struct dlq_bulk;

/* Requeue or discard what the filter leaves of the kept entries that are there now, a transaction a batch: each is done or not, never half.
 * 0 or -ENOMEM. */
int dlq_bulk_start(struct dlq_bulk **out, const struct dlq_bulk_config *config);

/* End after the batch that is under way. */
void dlq_bulk_stop(struct dlq_bulk *b);

#endif
