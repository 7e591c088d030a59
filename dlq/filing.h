/* SPDX-License-Identifier: Apache-2.0 */
/* Brings dead letters from their queues into the store: read, file (grouped with its neighbours), ack after the commit.
 * A letter that is there already is acked too, so a crash in between, or a second process, files nothing twice. On the loop. */
#ifndef CHARD_DLQ_FILING_H
#define CHARD_DLQ_FILING_H

#include "broker/broker.h"
#include "catalog/catalog.h"
#include "store/dead_letter.h"
#include "store/run.h"

#include <uv.h>

struct span_source;

struct filing_config {
        uv_loop_t *loop;
        const struct catalog *catalog; /* borrowed, as all else */
        struct store *store;
        struct broker_config broker; /* without its topology */
        bool native_delay;           /* as topology_build says */
        bool declare_queues;         /* or leave the task queues as they stand there */
        const char *queues; /* of no task here, whose dead letters are filed too, comma-separated; NULL or "" = none */
        size_t max_body;    /* bodies up to this size are looked into */
        const struct span_source *spans; /* where the span of each goes; or NULL */
        void (*stopped)(void *arg); /* after filing_stop: nothing is on its way any more; may come from inside it */
        void *arg;
};

struct filing;

/* Connect to the broker; consume the dead letters of every queue that has a task, and of those named, while the store is up. The first filing_adjust
 * begins it. Returns 0; 1 with `why` (as broker_open); or -errno. */
int filing_open(struct filing **out, const struct filing_config *config, struct problem *why);

/* The store came or went. */
void filing_adjust(struct filing *f);

/* Take no more, and finish what is on its way. */
void filing_stop(struct filing *f);

/* Give everything back (NULL: nothing); what is not acked returns to its queue. The store must have been closed before. */
void filing_close(struct filing *f);

struct broker *filing_broker(const struct filing *f);

struct filing_counts {
        size_t queues, in_hand;
        unsigned long filed, refused;
        bool full; /* it takes no more until most of what it has in hand is filed */
};
struct filing_counts filing_counts(const struct filing *f);

#endif
