/* SPDX-License-Identifier: Apache-2.0 */
/* The door to the message broker. Everything is called on, and answered on, the loop thread; no call waits.
 * Batching, threads and reconnects are the backend's own business. */
#ifndef CHARD_BROKER_H
#define CHARD_BROKER_H

#include "broker/topology.h"
#include "core/bytes.h"
#include "core/door_counts.h"
#include "core/problem.h"
#include "core/thread/mailbox.h"
#include "message/message.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* Names one unacked delivery. A tag of an older connection epoch is ignored by ack and hand_back:
 * the broker has put that message back by itself. */
struct delivery_tag {
        uint64_t number;
        uint32_t epoch;
};

/* A message that came in; one allocation, given to the listener, freed with delivery_free. */
struct delivery {
        struct delivery *next;
        struct delivery_tag tag;
        bool redelivered;
        const char *queue; /* the listener's own text from consume; lives as long as the broker */
        const char *exchange;
        const char *routing_key;
        int64_t queued_ms;       /* wall clock: when it came into its queue, where the backend knows; else 0 */
        struct bytes properties; /* encoded, as received */
        struct bytes body;
};
void delivery_free(struct delivery *d);

enum broker_state {
        BROKER_UP,      /* connected; every consumer asked for is registered */
        BROKER_DOWN,    /* not connected, or a consumer is missing; trying again with jittered back-off */
        BROKER_BLOCKED, /* connected, but the broker takes no publishes (memory or disk alarm) */
};

/* What a probe asks: is it consuming, and if not, what is missing. */
struct broker_health {
        enum broker_state state;
        bool connected; /* the connection that consumes is up, whether or not every queue can be consumed */
        unsigned consumers_wanted, consumers_registered;
        bool publisher_up;
        uint64_t last_frame_ms;    /* age of the last frame from the broker, on the consumer's connection */
        unsigned long unconfirmed; /* publishes waiting for their confirm */
        char why[160];             /* what is wrong, empty when all is well */
};

/* Does it take messages now? */
static inline bool broker_health_takes(const struct broker_health *h)
{
        return h->publisher_up && h->state != BROKER_BLOCKED;
}

/* Called from the loop, never from inside a call of this header; either may be NULL. They may call anything here,
 * broker_close too. (The `done`s of publishes that are still open are called from inside broker_close.) */
struct broker_listener {
        void *arg;
        void (*deliveries)(struct delivery *list_takes, void *arg);  /* oldest first, linked by next */
        void (*changed)(const struct broker_health *now, void *arg); /* after each change of state */
};

/* Where Celery's clients speak to all workers at once, and hear of them. */
struct broker_bus {
        const char *commands; /* fanout exchange, not durable */
        const char *queue;    /* this worker's own there, gone when it is */
        const char *events;   /* topic exchange, durable */

        /* Called as the listener's. */
        void *arg;
        void (*joined)(void *arg);                        /* it is there, for the first time or again */
        void (*heard)(struct delivery *takes, void *arg); /* there is nothing to ack */
};

struct broker_config {
        uv_loop_t *loop;
        const char *urls;    /* comma-separated; tried in turn */
        const char *ca_file; /* or NULL */
        const char *name;    /* shown by the broker as the connection's name */
        unsigned heartbeat_s;
        unsigned connect_timeout_ms;
        const struct topology
                *topology; /* declared after every connect, so that a broker that lost it heals; or NULL */

        /* Called once on the caller's thread while the first connection is made, because a start is mostly waiting for servers; or NULL.
         * 0, or how the opening fails: with that, and what it says in `why`. */
        int (*meanwhile)(void *arg, struct problem *why);
        void *meanwhile_arg;
};

/* What became of a publish. */
enum publish_result {
        PUBLISH_CONFIRMED,
        PUBLISH_RETURNED, /* no queue took it (basic.return) */
        PUBLISH_REFUSED,  /* the broker nacked it, or closed the channel over it */
        PUBLISH_CLOSED,   /* the broker was closed before it was confirmed: it may or may not have arrived */
};
typedef void publish_done(enum publish_result result, void *arg);

/* What a queue holds. -1: it could not be found out, or the backend does not count it. */
struct queue_depth {
        int64_t ready, unacked, consumers;
        int64_t oldest_ms; /* wall clock: when its first ready message came; 0 = not known, or there is none */
        bool missing;      /* there is no such queue */
};
typedef void depth_done(const struct queue_depth *depth, void *arg);

/* Ready ones, and the unacked ones where they are counted; or -1. */
static inline int64_t queue_depth_messages(const struct queue_depth *d)
{
        return d->ready + (d->unacked > 0 ? d->unacked : 0);
}

struct broker {
        const struct broker_backend *backend;
        struct door_counts counts; /* read by broker_counts */
};

/* How publishes to RabbitMQ, or all work on the file, have fared since it was opened. */
static inline const struct door_counts *broker_counts(const struct broker *b)
{
        return &b->counts;
}

/* One table of functions a backend. */
struct broker_backend {
        const char *const *schemes; /* NULL-terminated: "amqp", "amqps" */

        /* Connect and declare the topology; waits up to connect_timeout_ms. Returns 0; 1 with `why` (code "bad_url", "unreachable",
         * "access_refused", "precondition_failed": another declaration stands there); or -errno.
         * The publishing connection comes up after that: publishes wait for it, and until then health says BROKER_DOWN. */
        int (*open)(struct broker **out, const struct broker_config *config, const struct broker_listener *listener,
                    struct problem *why);

        /* Ask for deliveries from a queue, at most `prefetch` unacked; kept up across reconnects until cancelled. Once more for the
         * same queue changes its prefetch. `queue` must live as long as the broker. 0 or -errno. */
        int (*consume)(struct broker *b, const char *queue, unsigned prefetch);

        /* Take no more from any queue; deliveries on the way still arrive. What is unacked stays. consume() starts again. */
        void (*cancel)(struct broker *b);

        /* Publish, persistent and mandatory. `done` comes after the confirm, or with why not; while the broker is away the message waits here.
         * After a reconnect what was not confirmed is published again: at least once. (Only when memory runs out is `done`
         * called from inside, as PUBLISH_REFUSED.) */
        void (*publish)(struct broker *b, struct message *takes, publish_done *done, void *arg);

        void (*ack)(struct broker *b, struct delivery_tag tag);

        /* Put it back in its queue for another worker; not a failed attempt. */
        void (*hand_back)(struct broker *b, struct delivery_tag tag);

        void (*health)(const struct broker *b, struct broker_health *out);

        /* What a queue holds: RabbitMQ tells ready messages and consumers; a file tells messages, unacked ones as well, and also of all queues together (NULL).
         * `done` comes later, also when the broker is closed or away; only when memory runs out it comes from inside. */
        void (*depth)(struct broker *b, const char *queue, depth_done *done, void *arg);

        /* The next three are NULL where no Celery client can connect. */

        /* Hear the bus, and keep hearing it across reconnects; `bus` must live as long as the broker. 0 or -ENOMEM. */
        int (*join)(struct broker *b, const struct broker_bus *bus);

        /* Publish with no promise: not kept on disk, lost when no queue takes it, and dropped here while too many wait. */
        void (*publish_transient)(struct broker *b, struct message *takes);

        /* Declare another topology, now and after every connect, in place of the one before; both must live as long as the broker.
         * 0 or -ENOMEM. */
        int (*redeclare)(struct broker *b, const struct topology *topology);

        /* Send what acks are waiting, answer every open publish with PUBLISH_CLOSED, stop the threads. Waits up to about a second.
         * The loop must turn once more (uv_run) before it can be closed: libuv gives its handles back there. */
        void (*close)(struct broker *b);
};

/* Open the backend that the first URL's scheme names. Errors as backend->open, and 1 with code "bad_url" for an unknown scheme. */
int broker_open(struct broker **out, const struct broker_config *config, const struct broker_listener *listener,
                struct problem *why);

/* The backend that the first URL's scheme names, or NULL. */
const struct broker_backend *broker_backend_of(const char *urls);

/* All of them, ended by NULL: those that files of this folder define (scripts/table). */
extern const struct broker_backend *const broker_backends[];

static inline int broker_consume(struct broker *b, const char *queue, unsigned prefetch)
{
        return b->backend->consume(b, queue, prefetch);
}
static inline void broker_cancel(struct broker *b)
{
        b->backend->cancel(b);
}
static inline void broker_publish(struct broker *b, struct message *takes, publish_done *done, void *arg)
{
        b->backend->publish(b, takes, done, arg);
}
static inline void broker_ack(struct broker *b, struct delivery_tag tag)
{
        b->backend->ack(b, tag);
}
static inline void broker_hand_back(struct broker *b, struct delivery_tag tag)
{
        b->backend->hand_back(b, tag);
}
static inline void broker_health(const struct broker *b, struct broker_health *out)
{
        b->backend->health(b, out);
}
static inline void broker_close(struct broker *b)
{
        b->backend->close(b);
}

#endif
