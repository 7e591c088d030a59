/* SPDX-License-Identifier: Apache-2.0 */
/* The dead letters' door: working with what is kept (filing.h brings it there). Everything runs on one loop and answers by callbacks, so that a
 * command, an HTTP API and a console use the same functions. What is looked at is read through the store's verbs (store/dead_letter.h). */
#ifndef CHARD_DLQ_H
#define CHARD_DLQ_H

#include "catalog/catalog.h"
#include "dlq/action.h"
#include "dlq/letter.h"
#include "store/dead_letter.h"

#include <uv.h>

/* ---- doing something to many: bulk.c ---- */

struct dlq_tally {
        size_t seen; /* of total */
        size_t total;
        int64_t upto;                      /* the highest entry that was there when they were counted */
        size_t outcomes[DEAD_MISSING + 1]; /* by enum dead_outcome */
        size_t dispositions
                [DISPOSITION_COUNT]; /* those that were not tried, by why; in a rehearsal all, by what would become of them */
        int64_t first[DISPOSITION_COUNT]; /* an entry of each such, to look at */
        size_t doomed[DISPOSITION_COUNT]; /* those that were sent, and will die again: hopeless and undecodable ones */
        size_t refused;                   /* the store could not take them (`why`) */
        int64_t last_due_ms;              /* when the last one that was sent is due */
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
        const struct dlq_action *action;
        struct dead_act act; /* borrowed until done; operation is made when NULL */
        bool rehearse;       /* only say what would become of them */
        unsigned rate;       /* entries a second that become due, or 0: all at once */
        const char *to;      /* queue to send them to, or NULL: their own */
        unsigned batch;      /* entries a transaction, at most DEAD_SETTLE_MAX; 0 = that */
        size_t most;         /* no more than so many, or 0 */
        size_t max_body;     /* the largest body that a worker reads */
        /* What became of each entry, or would: `disposition` when it was not tried, else `outcome`, or neither (-1) when the store refused it; may be NULL. */
        void (*became)(int64_t entry, int disposition, int outcome, void *arg);
        void (*progress)(const struct dlq_tally *tally,
                         void *arg); /* once they are counted, and after each batch; may be NULL */
        void (*done)(enum dlq_end end, const struct dlq_tally *tally, void *arg); /* frees the bulk after it returns */
        void *arg;
};

struct dlq_bulk;

/* Do the action to what the filter leaves of the kept entries that are there now, a transaction a batch: each is done or not, never half.
 * 0 or -ENOMEM. */
int dlq_bulk_start(struct dlq_bulk **out, const struct dlq_bulk_config *config);

/* End after the batch that is under way. */
void dlq_bulk_stop(struct dlq_bulk *b);

#endif
