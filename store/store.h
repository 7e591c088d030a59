/* SPDX-License-Identifier: Apache-2.0 */
/* The store: opened here, used through its doors, a header each: run.h, schedule.h, read.h, dead_letter.h, inbox.h, consumer.h, seal.h, cdc.h, carry.h, fleet.h, access.h, webhook.h, blob.h. Verbs of tasks and jobs,
 * never SQL outside a backend: `store->run->claim(store, …)`. Everything is called on, and answered on, the loop thread; no call waits. Calls that
 * arrive while a transaction is under way go together in the next one. While the store is away calls wait here and are repeated when it is back:
 * every verb may safely be repeated. */
#ifndef CHARD_STORE_H
#define CHARD_STORE_H

#include "core/bytes.h"
#include "core/door_counts.h"
#include "core/problem.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct fact_view;

struct store {
        const struct store_backend *backend;
        const struct store_run *run;
        const struct store_schedule *schedule;
        const struct store_read *read;
        const struct store_dead *dead;
        const struct store_inbox *inbox;
        const struct store_consumer *consumer;
        const struct store_seal *seal;
        const struct store_cdc *cdc;
        const struct store_carry *carry;
        const struct store_fleet *fleet;
        const struct store_access *access;
        const struct store_webhook *webhook;
        const struct store_blob *blob;
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

enum store_result {
        STORE_DONE,
        STORE_ALREADY, /* commit: another run of this task was first; `result` is what it committed; others say it themselves */
        STORE_STALE, /* commit: somebody else wrote a fact of the kind that is written once, or the task was revoked meanwhile; nothing committed, claim again */
        STORE_REFUSED, /* the data can't be stored (`why`); harms only this task */
        STORE_CLOSED,  /* the store was closed first: it may or may not have happened */
        STORE_STARVED, /* memory ran out before the store was asked (`why`): nothing has happened, ask again or hand back */
};
typedef void store_done(enum store_result result, struct bytes stored, const struct problem *why, void *arg);

/* A JSON value (borrowed for the length of the callback), or NULL when nothing is there; `why` is set when the store failed. */
typedef void json_done(json_t *value, const struct problem *why, void *arg);

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

        /* Its doors; store_open puts them into the store. */
        const struct store_run *run;
        const struct store_schedule *schedule;
        const struct store_read *read;
        const struct store_dead *dead;
        const struct store_inbox *inbox;
        const struct store_consumer *consumer;
        const struct store_seal *seal;
        const struct store_cdc *cdc;
        const struct store_carry *carry;
        const struct store_fleet *fleet;
        const struct store_access *access;
        const struct store_webhook *webhook;
        const struct store_blob *blob;

        bool (*up)(const struct store *s);
        /* Calls that wait for an answer. */
        size_t (*waiting)(const struct store *s);

        /* Answer every open call with CLOSED and give all back. The loop must turn until it is idle: its handles close there. */
        void (*close)(struct store *s);

        /* Bring the schema to this binary's version, and make the views; safe to run twice and from two processes at once. Blocks.
         * Returns 0; 1 with `why`; or -errno. */
        int (*migrate)(const struct store_migration *migration, struct problem *why);
};

/* All backends, ended by NULL: those that files of this folder define (scripts/table). */
extern const struct store_backend *const store_backends[];

/* Open the backend that the URL's scheme names. Errors as backend->open, and 1 with code "bad_url" for an unknown scheme. */
int store_open(struct store **out, const struct store_config *config, struct problem *why);
int store_migrate(const struct store_migration *migration, struct problem *why);

#endif
