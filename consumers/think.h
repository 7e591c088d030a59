/* SPDX-License-Identifier: Apache-2.0 */
/* What the marked events of a batch lead to: the consumer's own function is asked, and its answer made ready for the store. Pure but for ids. */
#ifndef CHARD_CONSUMERS_THINK_H
#define CHARD_CONSUMERS_THINK_H

#include "catalog/catalog.h"
#include "consumers/batch.h"
#include "core/map.h"
#include "message/routes.h"

struct thinking {
        const struct consumer *consumer;
        const struct catalog *catalog;    /* where the tasks that it sends go … */
        const struct task_routes *routes; /* … and those that nobody here knows; or NULL */
        const struct map *held;           /* aggregates of which an event waits: the next one waits behind it */
        const json_t *facts;              /* {kind: {owner: {key: value}}} */
        const json_t *history;            /* {type: {id: events of the aggregate}}; NULL: it writes no read models */
        const struct span_source *spans;  /* or NULL */
        const char *worker;               /* who files dead letters */
        int64_t now_ms;
};

/* Fill in what is to be done about each marked event. 0; or -ENOMEM: mark them anew and think again. */
int think(struct batch *b, const struct thinking *t);

/* What the store refused of a single event makes it a dead letter; of one that is one already, a plainer one. 0 or -ENOMEM. */
int think_refused(struct heard *h, const struct thinking *t, const struct problem *why);

/* A read model can't take now what a single event shows: it waits, and is no nearer to being a dead letter. 0 or -ENOMEM. */
int think_later(struct heard *h, const struct problem *why);

#endif
