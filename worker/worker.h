/* SPDX-License-Identifier: Apache-2.0 */
/* The engine: takes deliveries, drives each task through the step table (worker/run/steps.c), publishes scheduled messages when they are due,
 * says whether it is consuming, and shuts down without losing anything. Everything runs on the loop thread. */
#ifndef CHARD_WORKER_H
#define CHARD_WORKER_H

#include "ai/ai.h"
#include "catalog/catalog.h"
#include "core/problem.h"
#include "worker/dispatcher.h"
#include "worker/observe.h"

#include <uv.h>

struct worker_config {
        uv_loop_t *loop;
        struct catalog *catalog; /* what it can do; the worker takes a reference of its own */
        const char *broker_urls, *broker_ca_file;
        const char *broker_admin_url; /* where the broker's settings are looked at, at the start; or NULL */
        const char *store_url;
        const char *result_urls; /* as results_config says */
        unsigned result_expires_s;
        unsigned chord_lost_ms;                  /* how long after a part has ended its chord may still have no size */
        bool declare_queues;                     /* or consume them as they stand there */
        bool native_delay;                       /* declare kombu's native delayed delivery, too */
        bool track_started;                      /* tell clients that a task has begun, too */
        struct ai_config ai;                     /* its loop is filled in by the worker */
        const char *task_routes, *default_queue; /* where tasks of others go: message/routes.h; or NULL */
        const char *name;                        /* this worker's own among all workers */
        const char *const *queues;               /* to consume */
        size_t queue_count;
        unsigned slots; /* prefetch of each queue */
        unsigned heartbeat_s, connect_timeout_ms;
        unsigned grace_ms, hold_ms, max_starts, lease_slack_ms, deadline_ms, outage_patience_s;
        size_t max_body;
        bool remote_control;           /* Celery's: where the broker has a bus */
        struct dispatcher *dispatcher; /* of Celery's events: there, too; or NULL: it sends none */
        const char *plug_ins;    /* the files of tasks that the catalogue was made with, comma-separated; or NULL */
        const char *health_file; /* or NULL */
        struct observer
                *observers;    /* those of the worker's owner, linked by `next`, which the worker may change; or NULL */
        struct tracer *tracer; /* or NULL: traces are passed on as they came */
};

struct broker;
struct store;
struct worker;

/* Connect to broker and store, and start to consume. The config is borrowed until worker_close.
 * Returns 0; 1 with `why` (as broker_open, store_open, ai_open say; or code "unknown_queue"); or -errno. */
int worker_open(struct worker **out, const struct worker_config *config, struct problem *why);

/* Begin to end: the first call stops consuming and lets what runs finish within the grace time, then hands the rest back;
 * the second call hands back at once. Never waits; the loop stops turning for this worker when all is done. */
void worker_stop(struct worker *w);

/* From the next delivery on do what this catalogue says; what runs goes on with the one that it began with. The queues that are consumed stay as they
 * are. Loop thread. 0 or -ENOMEM: then nothing has changed. */
int worker_use(struct worker *w, struct catalog *catalog);

/* Its doors, for those who watch it; its own. */
struct store *worker_store(const struct worker *w);
struct broker *worker_broker(const struct worker *w);
const struct ai *worker_ai(const struct worker *w);

/* Does it consume? If not: why, for the length of this turn. */
bool worker_ready(const struct worker *w, const char **why);

/* What it has of one of its queues. */
struct worker_queue {
        const char *name;
        size_t in_hand;
        unsigned slots; /* it may have so many in hand; 0 while it takes none */
        int64_t taken_ms; /* wall clock: when the one that was taken last had come into the queue; 0 = not known, or it has none */
};
typedef void worker_queue_tell(const struct worker_queue *q, void *arg);
void worker_tell_queues(const struct worker *w, worker_queue_tell *tell, void *arg);

/* "openai" or "offline"; constant. */
const char *worker_provider(const struct worker *w);

/* After the loop has ended: give everything back. */
void worker_close(struct worker *w);

#endif
