/* SPDX-License-Identifier: Apache-2.0 */
/* One process's part in keeping a fleet: it files dead letters, and stands for the lead of the duties. */
#ifndef CHARD_DUTIES_KEEPER_H
#define CHARD_DUTIES_KEEPER_H

#include "duties/duties.h"

struct broker;
struct keeper;
struct meter;

/* Everything borrowed until keeper_close. */
struct keeper_config {
        uv_loop_t *loop;
        const struct catalog *catalog;
        const char *broker_urls, *broker_ca_file;
        const char *broker_admin_url; /* where the broker's settings are looked at, at the start; or NULL */
        const char *store_url;
        const char *name; /* this keeper's own */
        unsigned heartbeat_s, connect_timeout_ms;
        bool native_delay;       /* declare kombu's native delayed delivery, too */
        bool declare_queues;     /* declare the task queues, or leave them as they stand there */
        size_t max_body;         /* bodies up to this size are looked into */
        const char *queues;      /* of no task here, whose dead letters are kept too: dlq/filing.h */
        const char *result_urls; /* where chords are counted, for stale jobs that go on with one; "" = nowhere */
        unsigned result_expires_s;
        struct meter *meter;             /* where what it does is counted; or NULL */
        const struct span_source *spans; /* where the spans of it go; or NULL */
        const char *health_file;         /* says whether letters are kept; or NULL */
        struct duties_config duties;     /* what the settings say; the rest is filled in here */
        void (*stopped)(void *arg);      /* after keeper_stop: nothing is on its way any more */
        void *arg;
};

/* File dead letters, and do the duties while this process leads. While the store is away nothing is consumed.
 * Returns 0; 1 with `why` (as broker_open and store_open say); or -errno. */
int keeper_open(struct keeper **out, const struct keeper_config *config, struct problem *why);

/* Its doors, for those who watch it; its own. / Does it keep letters? If not: why, for the length of this turn. */
struct store *keeper_store(const struct keeper *k);
struct broker *keeper_broker(const struct keeper *k);
bool keeper_ready(const struct keeper *k, const char **why);

/* Take no more and finish what is on its way; then `stopped` is called, at most about three seconds later. */
void keeper_stop(struct keeper *k);

/* Give everything back; what is not acked returns to its queue. The loop must turn until it is idle: handles close there. */
void keeper_close(struct keeper *k);

#endif
