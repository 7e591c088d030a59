/* SPDX-License-Identifier: Apache-2.0 */
/* The consuming thread: one connection, one channel a queue. It takes deliveries and sends acks; it never
 * publishes, so a broker that blocks publishers (memory alarm) does not block it. */
#ifndef CHARD_BROKER_AMQP_CONSUME_CONSUMER_H
#define CHARD_BROKER_AMQP_CONSUME_CONSUMER_H

#include "broker/amqp/connection/io_thread.h"
#include "broker/amqp/consume/content.h"
#include "broker/amqp/consume/tags.h"

enum order_kind { ORDER_CONSUME, ORDER_CANCEL, ORDER_JOIN, ORDER_REDECLARE, ORDER_DEPTH, ORDER_SETTLE, ORDER_STOP };

struct settlement {
        struct delivery_tag tag;
        bool ack; /* or hand back */
};

/* What the loop asks for; freed by the consuming thread. */
struct order {
        struct mail mail;
        enum order_kind kind;
        unsigned wish;                   /* consume and cancel: their number */
        const char *queue;               /* consume; depth, behind the order */
        uint64_t number;                 /* depth: which question */
        unsigned prefetch;               /* consume */
        const struct broker_bus *bus;    /* join */
        const struct topology *topology; /* redeclare */
        size_t count;                    /* settle */
        struct settlement settlements[];
};

/* One queue. A delivery tag's epoch is that of the channel it came through: every channel that is opened gets a new one. */
struct subscription {
        const char *queue; /* the listener's own text */
        const struct broker_bus
                *bus; /* it is this worker's queue there: made anew each time, nothing is acked; or NULL */
        unsigned prefetch, registered_prefetch;
        bool wanted, open, registered;
        uint16_t channel;
        uint32_t epoch;
        char tag[256]; /* of the consumer, the last one that was registered; each has its own */
        struct content content;
        struct tags tags;
        uint64_t highest; /* while a batch is settled: what one `multiple` may name, and for how many */
        size_t covered;
        unsigned failures; /* to register, or to stay so for a while, in a row */
        uint64_t registered_ms;
        bool told; /* the log says that it is not registered */
        uint64_t retry_at_ms;
        char why[120];
};

struct amqp_consumer {
        struct io_thread io; /* first: the loop sees it */
        const struct topology *topology;
        struct subscription **subscriptions;
        size_t count;
        uint32_t epoch;
        unsigned registrations; /* consumers that were asked for, ever */
        unsigned wish;
        bool stopping;
        bool declare_again;            /* a queue was missing: the broker may have lost the topology */
        struct delivery *first, *last; /* came since the last report */
};

/* Connect through the next address and declare the topology. Returns 0, or 1 with `why`. */
int consumer_connect(struct amqp_consumer *c, unsigned timeout_ms, struct problem *why);

/* The thread. */
void *consumer_main(void *consumer);
void consumer_free(struct amqp_consumer *c);

/* ---- between consumer.c, subscribe.c, bus.c and settle.c ---- */

/* Make the broker's consumers what is wanted, as far as it is time to. Returns 0 or -1. */
int consumer_mend(struct amqp_consumer *c);

/* Milliseconds until consumer_mend has something to do; -1 = never. */
int consumer_mend_due(const struct amqp_consumer *c);

/* The broker ended it: `open` says whether its channel is still there. */
void subscription_ended(struct subscription *s, bool open, const char *why);

/* … in a way that the log should tell once, and it is to be registered again: with growing pauses while that fails or does not last. */
void subscription_lost(struct subscription *s, bool open, const char *why);

/* Declare the exchanges and the queue of the bus, on that channel. Returns 0, 1 with `why` or -1, as amqp_link_result. */
int bus_declare(struct amqp_link *l, uint16_t channel, const struct broker_bus *bus, struct problem *why);

/* Answer how deep a queue is: with -1 unless the link is `sound`. Returns 0, or -1 when the connection is lost. */
int consumer_depth(struct amqp_consumer *c, const struct order *o, bool sound);

/* Write the frames for a batch of acks and hand-backs. */
void consumer_settle(struct amqp_consumer *c, struct order *o);

/* Take one frame. Returns 0 or -1. Has the type of other_frame. */
int consumer_frame(const amqp_frame_t *frame, void *consumer);

#endif
