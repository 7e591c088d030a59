/* SPDX-License-Identifier: Apache-2.0 */
/* The publishing thread: one connection, one channel with confirms. What is not confirmed is kept and published
 * again on a new channel or connection: at least once. */
#ifndef CHARD_BROKER_AMQP_PUBLISH_PUBLISHER_H
#define CHARD_BROKER_AMQP_PUBLISH_PUBLISHER_H

#include "broker/amqp/connection/io_thread.h"
#include "broker/amqp/publish/window.h"

struct publisher {
        struct io_thread io;            /* first: the loop sees it */
        struct publishing stop;         /* as an order: the end */
        struct publishing_list waiting; /* not sent, or to be sent again */
        struct window window;           /* sent, not confirmed */
        struct publishing_list finished;
        struct publishing *current; /* its body is being sent; also in the window */
        size_t body_sent;
        size_t careful; /* so many publishings go one at a time, because one of them closed the channel and we don't know which */
        bool blocked;
        bool stopping;
        const amqp_basic_return_t *returned; /* rabbitmq-c's memory: between method and header nothing is released */
};

/* The thread. */
void *publisher_main(void *publisher);

/* The publishings that it still holds are the loop's to free. */
void publisher_free(struct publisher *p);

/* ---- between publisher.c and confirm.c ---- */

#define PUBLISH_CHANNEL 1

/* Open the channel. Returns 0, or -1 with the link failed. */
int publisher_open_channel(struct publisher *p);

/* Put all that is in flight back to be sent again. */
void publisher_again(struct publisher *p);

/* Take one frame. Returns 0 or -1. */
int publisher_frame(struct publisher *p, const amqp_frame_t *frame);

#endif
