/* SPDX-License-Identifier: Apache-2.0 */
/* Publishings that wait for their confirm, by the number that publisher confirms give them. Owned by the publisher thread.
 * Source: RabbitMQ documentation, "Publisher Confirms"; basic.return comes before the confirm of the same message. */
#ifndef CHARD_BROKER_AMQP_PUBLISH_WINDOW_H
#define CHARD_BROKER_AMQP_PUBLISH_WINDOW_H

#include "broker/broker.h"
#include "core/thread/mailbox.h"
#include "message/message.h"

#include <stdbool.h>
#include <stdint.h>

/* One publishing, from broker_publish until its `done`. The loop thread makes it and ends it; in between it is the
 * publisher thread's. */
struct publishing {
        struct mail mail;
        struct message *message;
        enum publish_result result;
        bool returned;
        bool transient; /* by broker_backend.publish_transient: no promise is made of it */

        /* The loop thread's own: */
        publish_done *done;
        void *arg;
        uint64_t asked_ms;                  /* on the loop's clock */
        struct publishing *earlier, *later; /* all that are open */
};

/* Publishings in order. */
struct publishing_list {
        struct publishing *first, *last;
        size_t count;
};
void publishing_list_add(struct publishing_list *list, struct publishing *p);
struct publishing *publishing_list_take(struct publishing_list *list);

/* Put `front` before what is in `list`; it is empty afterwards. */
void publishing_list_prepend(struct publishing_list *list, struct publishing_list *front);

#define WINDOW_SIZE 4096 /* unconfirmed at once: what a reconnect may publish a second time */

/* Zero-initialise to start, and window_restart for every new channel. */
struct window {
        struct publishing *slots[WINDOW_SIZE]; /* by number modulo size; NULL = confirmed already */
        uint64_t oldest, next;                 /* numbers oldest … next-1 are in flight, holes included */
        uint64_t return_from; /* returns come in the order of the publishings: the next is not below this */
        size_t count;
        bool writing; /* the newest is still being written: the broker can't have it yet */
};

static inline bool window_full(const struct window *w)
{
        return w->next - w->oldest == WINDOW_SIZE;
}

/* A publishing was written. There is room. */
void window_add(struct window *w, struct publishing *p);

/* basic.ack or basic.nack: what it settles goes to `finished`, with its result. Number 0 with `multiple` means everything that was sent; what is
 * settled already stays so. Returns 0; or -EPROTO for a number that no message has that was sent: then nothing is settled. */
int window_settle(struct window *w, uint64_t number, bool multiple, bool refused, struct publishing_list *finished);

/* basic.return: mark the publishing that came back. It is the oldest in flight with this exchange, key, properties and body
 * size, or else with this exchange and key. False when there is none. `properties` as they were sent (persistent). */
bool window_returned(struct window *w, struct bytes exchange, struct bytes routing_key, struct bytes properties,
                     uint64_t body_size);

/* Everything to this exchange will never be confirmed: to `finished` as refused. Returns how many. */
size_t window_refuse_exchange(struct window *w, struct bytes exchange, struct publishing_list *finished);

/* Take everything out, oldest first, to be published again, and start from 1. */
void window_restart(struct window *w, struct publishing_list *again);

#endif
