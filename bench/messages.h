/* SPDX-License-Identifier: Apache-2.0 */
/* Messages to measure with: genuine Celery ones, made by the same code that chard publishes with. */
#ifndef CHARD_BENCH_MESSAGES_H
#define CHARD_BENCH_MESSAGES_H

#include "message/message.h"

#include <amqp.h>
#include <stdbool.h>
#include <stdint.h>

struct recipe {
        const char *tasks;    /* names of a chain's tasks, comma-separated; each goes to the queue of its name … */
        const char *queue;    /* … the first one to this queue, when set */
        const char *to;       /* … through this exchange, when set */
        const char *kwargs;   /* JSON text; "@N" in it becomes the message's number */
        const char *mark;     /* the first and the last message go on to this queue, when set */
        const char *reply_to; /* who waits for results, when set */
        const char *
                plain; /* no task: this exchange and `queue` as routing key, the body a number, counting up from `first` … */
        size_t size;          /* … and padded with spaces to that size … */
        bool transient;       /* … and not persistent */
        int64_t eta_ms;       /* wall clock of the first message, 0 = none … */
        double eta_step_ms;   /* … and so much later for each next one */
        unsigned long traced; /* each has a traceparent, one of so many says that it is recorded; 0 = none has */
        int64_t first;
};

/* Message `number` of `count`; dies when the recipe makes none. Freed with message_free. */
struct message *recipe_message(const struct recipe *r, unsigned long number, unsigned long count);

/* A message as rabbitmq-c wants it; everything lives in `pool` or borrows from `m`. */
struct ready {
        amqp_bytes_t exchange, routing_key, body;
        amqp_basic_properties_t *properties;
};
struct ready ready_of(const struct message *m, amqp_pool_t *pool);

#endif
