/* SPDX-License-Identifier: Apache-2.0 */
/* The store's door for those who want to be told when a job has ended. A row says which job and where; it stands in the store before the job's message is published, so the transaction that ends the job
 * makes it owed: nothing else has to be written, and no kill can lose it. What is said is written down when it is first taken, so that every try says the same. */
#ifndef CHARD_STORE_WEBHOOK_H
#define CHARD_STORE_WEBHOOK_H

#include "store/store.h"

struct webhook_wish {
        const char *id;     /* a UUID */
        const char *job_id; /* of the job whose end is told */
        const char *url;
        const char *trace; /* the traceparent of whoever asked for it, or NULL */
};

enum webhook_end {
        WEBHOOK_DELIVERED,
        WEBHOOK_AGAIN,    /* after wait_ms */
        WEBHOOK_GIVEN_UP, /* only `resend` tries it again */
};

struct webhook_try {
        const char *id;
        enum webhook_end end;
        int64_t wait_ms;
        unsigned status; /* which HTTP status came, or 0 */
        const char *why; /* it was not delivered, or "" */
};

/* The state that a row has from then on. */
static inline const char *webhook_state(enum webhook_end end)
{
        return end == WEBHOOK_DELIVERED ? "delivered" : end == WEBHOOK_AGAIN ? "owed" : "given_up";
}

/* All structs are copied. */
struct store_webhook {
        /* Tell this URL when the job ends. One job tells one URL once, however often this is said. */
        void (*add)(struct store *s, const struct webhook_wish *wish, store_done *done, void *arg);

        /* At most `limit` that are to be told now, oldest first; nobody else gets them for lease_ms: [{"id","message","job","url","body","trace" (or null),"attempts" (with this one)}]. A job that ended again after it had
         * failed is told again, under another `message`. */
        void (*take)(struct store *s, unsigned limit, unsigned lease_ms, json_done *done, void *arg);

        /* What became of it: {"id"}, or NULL where it is not owed any more. */
        void (*settle)(struct store *s, const struct webhook_try *what, json_done *done, void *arg);

        /* The thousand newest, or those of an id, a job or a state: [{"id","message","job","url","state" ("waiting": the job has not ended; "owed", "delivered",
         * "given_up"),"attempts","status","why","created_ms","due_ms","done_ms"}]. / Those of an id, a job or a state whose jobs have ended are owed from now on, as if they had never been tried: [{"id","job"}]. */
        void (*list)(struct store *s, const char *which, json_done *done, void *arg);
        void (*resend)(struct store *s, const char *which, json_done *done, void *arg);

        /* Forget those that ended, and jobs that did not begin, thirty days ago: {"count"}. */
        void (*forget)(struct store *s, json_done *done, void *arg);
};

#endif
