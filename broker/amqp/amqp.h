/* SPDX-License-Identifier: Apache-2.0 */
/* The backend for RabbitMQ: what the loop thread holds of it. Two threads do the work, each with its own connection
 * (consumer.h, publisher.h); the loop only fills and empties mailboxes, once a turn. */
#ifndef CHARD_BROKER_AMQP_AMQP_H
#define CHARD_BROKER_AMQP_AMQP_H

#include "broker/amqp/consume/consumer.h"
#include "broker/amqp/publish/publisher.h"
#include "broker/broker.h"

extern const struct broker_backend amqp_backend;

struct amqp_broker;

/* The loop's handles live longer than the broker: libuv wants to close them in its own time. */
struct amqp_watch {
        uv_poll_t reports;
        uv_prepare_t turn;
        unsigned open_handles;
        struct amqp_broker *broker; /* NULL once it is closed */
};

struct amqp_broker {
        struct broker base; /* first */
        struct amqp_link_config config;
        struct broker_listener listener;
        const struct broker_bus *bus; /* once it is joined */
        struct mailbox *reports;      /* from both threads */
        struct absence absence;       /* its two connections are its parts */
        struct amqp_consumer consumer;
        struct publisher publisher;
        struct amqp_watch *watch;
        struct order *stop; /* made in advance: closing must not need memory */

        const char **queues; /* asked for, each once */
        size_t queue_count, queue_capacity;
        unsigned wanted, wish;

        struct order *settling; /* acks and hand-backs of this turn */
        size_t settling_capacity;
        struct publishing_list publishing;   /* of this turn */
        struct publishing *open_publishings; /* from broker_publish until done, newest first */
        size_t open_count, transient_count;  /* all of them; those among them that nobody waits for */
        struct publishing *spare;            /* ended ones, to be used again */

        struct depth_question *depths; /* asked and not answered */
        uint64_t depth_number;

        struct report *pending; /* taken from the mailbox, not looked at yet */
        bool changed;
        struct broker_health told; /* what the listener heard last */

        /* Who may still use this memory: the loop, and each thread (one that hangs in a connect outlives the close). */
        atomic_uint users;
};

/* ---- between backend.c, open.c and loop.c ---- */

/* The loop's clock, read once a turn; 0 when it is closed. */
static inline uint64_t amqp_now_ms(const struct amqp_broker *b)
{
        return b->watch ? uv_now(b->watch->turn.loop) : 0;
}

int amqp_broker_open(struct broker **out, const struct broker_config *config, const struct broker_listener *listener,
                     struct problem *why);
void amqp_broker_close(struct broker *b);

/* Keep the memory a little longer / let it go. */
void amqp_stay(struct amqp_broker *b);
void amqp_leave(struct amqp_broker *b);

/* Hang it into the loop. Returns 0 or -errno. */
int amqp_watch(struct amqp_broker *b, uv_loop_t *loop);
void amqp_unwatch(struct amqp_broker *b);

/* Give the threads what has gathered in this turn of the loop. */
void amqp_hand_out(struct amqp_broker *b);

/* Work through what the threads have reported. With `closing`, deliveries are dropped: the broker puts them back by
 * itself. Returns how many threads have ended. */
unsigned amqp_take_reports(struct amqp_broker *b, bool closing);

/* depth.c: the door's call; an answer has come; end all questions with -1. */
void amqp_depth(struct broker *b, const char *queue, depth_done *done, void *arg);
void amqp_depth_answered(struct amqp_broker *b, const struct report *r);
void amqp_depths_close(struct amqp_broker *b);

void amqp_health(const struct broker *b, struct broker_health *out);

/* End one publishing: call its done, and keep its memory. */
void amqp_publishing_ended(struct amqp_broker *b, struct publishing *p, enum publish_result result);

#endif
