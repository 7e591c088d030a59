/* SPDX-License-Identifier: Apache-2.0 */
/* What chard declares on the broker, as one table made from the names of the task queues:
 * per queue Q a quorum queue Q, a topic exchange Q, the binding from its domain's exchange, and Q.dead;
 * kombu's native delayed delivery; chard.dead. Pure. */
#ifndef CHARD_BROKER_TOPOLOGY_H
#define CHARD_BROKER_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum topology_kind { TOPOLOGY_EXCHANGE, TOPOLOGY_QUEUE, TOPOLOGY_BINDING };

struct topology_row {
        enum topology_kind kind;
        char *name;                 /* exchange or queue; for a binding: the destination */
        bool to_exchange;           /* a binding whose destination is an exchange */
        char *source;               /* binding: the exchange it takes from */
        char *routing_key;          /* binding */
        long ttl_ms;                /* queue: x-message-ttl, or 0 */
        long expires_ms;            /* queue: a client's own for results: classic, gone after this long unused; or 0 */
        char *dead_letter_exchange; /* queue: x-dead-letter-exchange, or NULL */
        bool overflow_reject;       /* queue: x-overflow reject-publish, with x-dead-letter-strategy at-least-once */
        bool never_drop; /* queue: no delivery limit on brokers that have one by default (RabbitMQ >= 4.0: x-delivery-limit -1) */
};

struct topology {
        struct topology_row *rows; /* in the order in which they must be declared */
        size_t count;
};

/* Build the table for `count` task queues, with kombu's native delayed delivery (28 more quorum queues) or without it. Returns 0 or -ENOMEM.
 * Freed with topology_free. */
int topology_build(struct topology *out, const char *const queues[], size_t count, bool native_delay);
void topology_free(struct topology *t);

/* Take out what declares and binds these task queues: they stand there already, declared by somebody else in another way. */
void topology_leave(struct topology *t, const char *const queues[], size_t count);

/* Print one row a line, aligned. */
void topology_print(const struct topology *t, FILE *out);

#endif
