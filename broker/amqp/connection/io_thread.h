/* SPDX-License-Identifier: Apache-2.0 */
/* What the consuming and the publishing thread of a broker have in common: a connection of its own each, orders that
 * come in through one mailbox, reports that go to the loop through another, and what a probe wants to know. */
#ifndef CHARD_BROKER_AMQP_CONNECTION_IO_THREAD_H
#define CHARD_BROKER_AMQP_CONNECTION_IO_THREAD_H

#include "broker/amqp/connection/link.h"
#include "broker/amqp/publish/window.h"
#include "broker/broker.h"
#include "core/absence.h"
#include "core/thread/mailbox.h"

#include <pthread.h>
#include <stdatomic.h>

/* What a thread tells the loop. */
enum report_kind {
        REPORT_DELIVERIES,
        REPORT_JOINED,   /* the bus is there */
        REPORT_HEARD,    /* a delivery of the bus */
        REPORT_FINISHED, /* publishings, with their results */
        REPORT_CHANGED,  /* look at the status */
        REPORT_DEPTH,    /* how deep a queue is */
        REPORT_ENDED,    /* the thread returns now; part of struct io_thread, not to be freed */
};

struct report {
        struct mail mail;
        enum report_kind kind;
        struct delivery *deliveries;
        struct publishing_list finished;
        uint64_t number; /* depth: of the question */
        int64_t messages, consumers;
        bool missing; /* there is no such queue */
};

/* Written by the thread, read by the loop. */
struct io_status {
        bool up;
        bool blocked;        /* publishing: the broker takes nothing */
        unsigned registered; /* consuming: consumers that the broker has confirmed … */
        unsigned wish;       /* … in answer to the orders up to this number */
        char why[160];
};

struct io_thread {
        struct amqp_link link;
        struct mailbox *box;     /* orders from the loop; owned */
        struct mailbox *to_loop; /* borrowed */
        pthread_t thread;
        bool started;
        struct report ended;

        pthread_mutex_t lock; /* of status */
        struct io_status status;
        _Atomic uint64_t received_ms; /* when the last frame came, on the monotonic clock */

        struct absence *absence; /* where it is told that this connection (a part of it) is away; borrowed */
        unsigned part;

        size_t next_address;
        unsigned failures; /* to connect, or to stay connected for a while, in a row */
        uint64_t up_since_ms, retry_at_ms;
};

/* Prepare one. Returns 0 or -errno. */
int io_thread_init(struct io_thread *s, const struct amqp_link_config *config, const char *role,
                   struct mailbox *to_loop);

/* Run `main` on a thread of its own, which takes no signals. Returns 0 or -errno. */
int io_thread_start(struct io_thread *s, void *(*main)(void *), void *arg);
void io_thread_free(struct io_thread *s);

/* The rest is for the thread itself (or for the opener before it has started). */

/* Try the next address. Returns 0, or 1 with s->link.why. */
int io_thread_connect(struct io_thread *s, unsigned timeout_ms);

/* It works / it does not, with s->link.why: what the log says of it. */
void io_thread_tell_up(struct io_thread *s);
void io_thread_tell_away(struct io_thread *s);

/* The attempt failed: set when to try again, at once while there are addresses that were not tried yet. */
void io_thread_failed(struct io_thread *s);

/* The connection was lost: drop it and set when to try again. One that did not last counts as another failure, so that a
 * broker that lets us in only to throw us out is not asked without a pause. */
void io_thread_lost(struct io_thread *s);

/* Sleep until then, or until an order comes. */
void io_thread_pause(struct io_thread *s);

/* Publish what a probe sees; tells the loop when it differs. */
void io_thread_set_status(struct io_thread *s, const struct io_status *now);

/* Hand something to the loop. Returns 0, or -ENOMEM and nothing happened. */
int io_thread_report(struct io_thread *s, enum report_kind kind, struct delivery *takes_deliveries,
                     struct publishing_list *takes_finished);

/* The last thing a thread does. */
void io_thread_end(struct io_thread *s);

/* Any thread. */
void io_thread_status_of(struct io_thread *s, struct io_status *out);

#endif
