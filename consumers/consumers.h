/* SPDX-License-Identifier: Apache-2.0 */
/* Consumers: what acts on events. They read the store's outbox in its order, each from where it stands, and have each event's effects, once, in the
 * transaction that moves them on. Events of one aggregate are acted on in their order; what waits, or is refused, holds up no other aggregate.
 * Any number of processes may run the same consumers: of each, one does it, by a lease in the store. Everything runs on one loop. */
#ifndef CHARD_CONSUMERS_H
#define CHARD_CONSUMERS_H

#include "catalog/catalog.h"
#include "store/store.h"

#include <uv.h>

enum { CONSUMERS_LEASE_MS = 10000, CONSUMERS_MOST = 64 };

struct meter;
struct span_source;

/* Everything borrowed until consumers_close has been called and the loop is idle. */
struct consumers_config {
        uv_loop_t *loop;
        const struct catalog *catalog;
        const char *store_url;
        const char *name;         /* of this process, by which others know who does it */
        const char *const *names; /* consumers to run, */
        size_t name_count;        /* 0 = all that need not be named, and whose read models have a place */
        unsigned lease_ms;        /* 0 = CONSUMERS_LEASE_MS */
        unsigned connect_timeout_ms;
        const char *kafka_servers;                 /* where the events come from; NULL = the store's outbox */
        const char *kafka_properties;              /* more of librdkafka's (kafka/stream.h); or NULL */
        const char *kafka_prefix;                  /* of the topics: "chard." */
        const char *search_url, *models_redis_url; /* where read models are kept; NULL or "": nowhere */
        const char *task_routes, *default_queue;   /* where tasks of others go: message/routes.h; or NULL */
        struct meter *meter;                       /* where what they do is counted; or NULL */
        const struct span_source *spans;           /* where the span of each event goes; or NULL */
        void (*stopped)(void *arg); /* after consumers_stop: nothing is on its way any more; may come from inside it */
        void *arg;
};

struct consumers;

/* Begin. Returns 0; 1 with `why` (source "consumer", code "unknown_consumer"; "no_place": a consumer was named whose read models are kept nowhere; as task_routes_read, models_open and
 * store_open); or -ENOMEM. */
int consumers_open(struct consumers **out, const struct consumers_config *config, struct problem *why);

/* Does the store answer, without which none acts? If not: why, a constant. / Their store; borrowed until consumers_close. */
bool consumers_ready(const struct consumers *c, const char **why);
struct store *consumers_store(const struct consumers *c);

/* Begin nothing more, finish what is on its way, and let others go on. */
void consumers_stop(struct consumers *c);

/* Give everything back (NULL: nothing). The loop must turn until it is idle. */
void consumers_close(struct consumers *c);

#endif
