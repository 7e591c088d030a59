/* SPDX-License-Identifier: Apache-2.0 */
/* What the consuming and the publishing side of a broker have in common: a thread with a connection of its own, orders that
 * come in through one mailbox, reports that go to the loop through another, and what a probe wants to know. */
#ifndef CHARD_BROKER_AMQP_SIDE_H
#define CHARD_BROKER_AMQP_SIDE_H

#include "broker/amqp/link.h"
#include "broker/amqp/window.h"
#include "broker/broker.h"
#include "core/mailbox.h"
#include "core/absence.h"

#include <pthread.h>
#include <stdatomic.h>

/* What a side tells the loop. */
enum report_kind {
        REPORT_DELIVERIES,
        REPORT_JOINED,   /* the bus is there */
        REPORT_HEARD,    /* a delivery of the bus */
        REPORT_FINISHED, /* publishes, with their results */
        REPORT_CHANGED,  /* look at the status */
        REPORT_DEPTH,    /* how deep a queue is */
        REPORT_ENDED,    /* the thread returns now; part of the side, not to be freed */
};

struct report {
        struct mail mail;
        enum report_kind kind;
        struct delivery *deliveries;
        struct publish_list finished;
        uint64_t number; /* depth: of the question */
        int64_t messages, consumers;
};

/* Written by the side's thread, read by the loop. */
struct side_status {
        bool up;
        bool blocked;        /* publishing side: the broker takes nothing */
        unsigned registered; /* consuming side: consumers that the broker has confirmed … */
        unsigned wish;       /* … in answer to the orders up to this number */
        char why[160];
};

struct side {
        struct amqp_link link;
        struct mailbox *box;     /* orders from the loop; owned */
        struct mailbox *to_loop; /* borrowed */
        pthread_t thread;
        bool started;
        struct report ended;

        pthread_mutex_t lock; /* of status */
        struct side_status status;
        _Atomic uint64_t received_ms; /* when the last frame came, on the monotonic clock */

        struct absence *absence; /* where it is told that this connection (a part of it) is away; borrowed */
        unsigned part;

        size_t next_address;
        unsigned failures; /* to connect, or to stay connected for a while, in a row */
        uint64_t up_since_ms, retry_at_ms;
};

/* Prepare a side. Returns 0 or -errno. */
int side_init(struct side *s, const struct amqp_link_config *config, const char *role, struct mailbox *to_loop);

/* Run `main` on the side's own thread, which takes no signals. Returns 0 or -errno. */
int side_start(struct side *s, void *(*main)(void *), void *arg);
void side_free(struct side *s);

/* The rest is for the side's thread (or for the opener before it has started). */

/* Try the next address. Returns 0, or 1 with s->link.why. */
int side_connect(struct side *s, unsigned timeout_ms);

/* It works / it does not, with s->link.why: what the log says of it. */
void side_tell_up(struct side *s);
void side_tell_away(struct side *s);

/* The attempt failed: set when to try again, at once while there are addresses that were not tried yet. */
void side_failed(struct side *s);

/* The connection was lost: drop it and set when to try again. One that did not last counts as another failure, so that a
 * broker that lets us in only to throw us out is not asked without a pause. */
void side_lost(struct side *s);

/* Sleep until then, or until an order comes. */
void side_pause(struct side *s);

/* Publish what a probe sees; tells the loop when it differs. */
void side_set_status(struct side *s, const struct side_status *now);

/* Hand something to the loop. Returns 0, or -ENOMEM and nothing happened. */
int side_report(struct side *s, enum report_kind kind, struct delivery *takes_deliveries,
                struct publish_list *takes_finished);

/* The last thing a thread does. */
void side_end(struct side *s);

/* Any thread. */
void side_status_of(struct side *s, struct side_status *out);

#endif
