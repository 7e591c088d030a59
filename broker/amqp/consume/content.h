/* SPDX-License-Identifier: Apache-2.0 */
/* Puts deliveries together from the frames of one channel: method, content header, body pieces. Each becomes one
 * allocation, made when the header tells the size, and filled where it stays. Owned by one thread. */
#ifndef CHARD_BROKER_AMQP_CONSUME_CONTENT_H
#define CHARD_BROKER_AMQP_CONSUME_CONTENT_H

#include "broker/amqp/connection/librabbitmq.h"
#include "broker/broker.h"

/* More than RabbitMQ itself ever takes (512 MiB): a size beyond it is no message. */
#define CONTENT_SIZE_MAX ((uint64_t)1 << 30)

struct content {
        const amqp_basic_deliver_t *method; /* rabbitmq-c's memory: between method and header nothing is released */
        struct delivery *delivery;          /* being filled, or NULL */
        size_t filled;
};

/* basic.deliver came. */
void content_start(struct content *c, const amqp_basic_deliver_t *method);

/* A header or body frame came. Returns 1 and *out, the complete delivery (its tag's epoch and queue are the caller's to set);
 * 0 = there is more to come, or the frame belongs to nothing; or -errno: -ENOMEM, -EPROTO when the sizes make no sense. */
int content_frame(struct content *c, const amqp_frame_t *frame, struct delivery **out);

/* Forget a half. */
void content_clear(struct content *c);

#endif
