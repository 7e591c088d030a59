/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind struct chard. The loop thread runs the broker and Redis; callers' threads hand it batches of messages, and what they want of Redis, and
 * wait on `changed`. */
#ifndef CHARD_LIB_HANDLE_H
#define CHARD_LIB_HANDLE_H

#include "broker/broker.h"
#include "core/map.h"
#include "lib/lib.h"

#include <pthread.h>
#include <sys/types.h>
#include <uv.h>

/* The messages of one chard_apply. Its users are its caller, the loop until it has published them, and each that is not settled; the last one
 * frees it. */
struct lib_batch {
        struct lib_batch *next;
        struct message *messages; /* linked by next, until the broker has them */
        size_t open;              /* without their confirm */
        enum publish_result worst;
        unsigned users;
};

struct chard {
        /* Constant once chard_open has returned. */
        struct broker_config config;
        char *urls, *ca_file, *name;
        char origin[96];
        char reply_to[ID_TEXT_SIZE]; /* "" = no queue for results */
        struct topology topology;
        struct topology_row reply_row;
        pthread_t thread;
        pid_t pid; /* whose handle it is: a child has a copy of all of this, but not the threads */

        /* The loop thread's. */
        uv_loop_t loop;
        struct broker *broker;

        uv_async_t wake; /* any thread */

        pthread_mutex_t lock; /* all that follows */
        pthread_cond_t changed;
        enum client_state { CLIENT_OPENING, CLIENT_OPEN, CLIENT_FAILED, CLIENT_CLOSING } state;
        struct chard_error open_error;            /* when it failed */
        struct lib_batch *waiting, **waiting_end; /* for the loop to publish */
        struct map *expected;                     /* id -> struct expected */
        unsigned callers;                         /* inside of chard_apply and chard_wait */

        struct lib_redis *redis; /* see redis.h; or NULL */
};

/* A result that somebody may ask for. */
struct expected {
        char *id;
        json_t *meta;    /* once it is there */
        json_t *members; /* of a group: its members' trees, as struct plan has them */
};

/* ---- client.c ---- */

/* Wait for a change until the given monotonic time (0: without end). False when the time is up. Locked. */
bool client_wait(struct chard *c, uint64_t until_ms);

/* When a timeout that starts now ends, for client_wait. */
uint64_t client_until(long timeout_ms);

/* Did this process open it? CHARD_OK or CHARD_BAD_ARGUMENT. */
int client_is_ours(const struct chard *c, struct chard_error *why);

/* Enter and leave a call; between them the handle is not freed. Locked inside. */
void client_enter(struct chard *c);
void client_leave(struct chard *c);

/* ---- expect.c: the table of results; all locked by the caller. What is in it is shared with nobody: jansson's counts of references do not
 * order one thread's last look before another's free ---- */

/* Expect a result. 0 or -ENOMEM. */
int expect_add(struct chard *c, const char *id, const json_t *members);

/* Expect the result of each member, those of groups in it too. 0 or -ENOMEM. */
int expect_members(struct chard *c, const json_t *members);

/* The id that a tree begins with; borrowed. */
const char *expect_id(const json_t *tree);

/* Note what came from a worker. */
void expect_note(struct chard *c, const char *id, json_t *meta);
void expect_drop(struct chard *c, const char *id);
void expect_free(struct chard *c);

#endif
