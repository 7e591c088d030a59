/* SPDX-License-Identifier: Apache-2.0 */
/* What of a queue's settings loses messages, and the policies that keep it from that. Pure; jansson's values belong to the calling thread.
 * Sources: RabbitMQ documentation, "Policies", "Quorum Queues" (poison messages), "TTL and Expiration", "Queue Length Limit", "Dead Letter Exchanges". */
#ifndef CHARD_BROKER_LIMITS_H
#define CHARD_BROKER_LIMITS_H

#include "broker/topology.h"

#include <jansson.h>
#include <stdint.h>

/* What a queue is for: that decides what its settings may be. */
enum queue_role {
        QUEUE_OF_TASKS,
        QUEUE_OF_DEAD_LETTERS,
        QUEUE_OF_DELAY, /* a level of native delayed delivery: its time to live is its work */
};
enum queue_role queue_role_of(const struct topology_row *row);

/* A queue as it behaves, its arguments and its policies taken together. Numbers are -1 where there is no such limit; texts are
 * borrowed from the JSON that it was read from. */
struct queue_limits {
        bool durable, auto_delete;
        int64_t deliveries;        /* dropped when delivered more often */
        int64_t ttl_ms;            /* dropped when it waits longer */
        int64_t unused_ms;         /* the queue is deleted when nobody consumes for as long */
        int64_t length, bytes;     /* what is beyond is dropped from the head, ... */
        bool rejects;              /* ... or refused to its publisher */
        const char *dead_exchange; /* where the dropped goes, or NULL: nowhere. "" is the default exchange */
        const char *dead_key;      /* with this routing key, or NULL: with its own */
};

/* Which of these policies (GET /api/policies/VHOST, or operator-policies) applies to this queue (GET /api/queues/VHOST/NAME), as RabbitMQ chooses
 * (none that sets what a queue of its type does not have): the API's own word on it comes from statistics, which are seconds late or switched off. Borrowed, or NULL; *unread (unless NULL) is set to the
 * name of one whose pattern can't be read here. */
const json_t *policy_of_queue(const json_t *policies, const json_t *queue, const char **unread);

/* Read what the management API says of a queue and of its policies, either of which may be NULL. `broker_major` is 4 for RabbitMQ 4.x, which has a
 * delivery limit where none is set. */
void queue_limits_read(const json_t *queue, const json_t *policy, const json_t *operator_policy, unsigned broker_major,
                       struct queue_limits *out);

/* Where what the queue drops ends up. */
enum dead_route {
        DEAD_ROUTE_NONE,    /* no dead-letter exchange */
        DEAD_ROUTE_MISSING, /* one that is not there */
        DEAD_ROUTE_UNBOUND, /* one that no queue is bound to for this key */
        DEAD_ROUTE_OPEN,
};

/* Does a message published with `key` (NULL: with keys of all kinds) to an exchange with these bindings
 * (GET /api/exchanges/VHOST/NAME/bindings/source) reach a queue? */
bool bindings_route(const json_t *bindings, const char *exchange_type, const char *key);

enum risk { RISK_NOTE /* healthy tasks become dead letters */, RISK_LOSS /* messages vanish */ };
typedef void risk_tell(enum risk risk, const char *queue, const char *text, void *arg);

/* Tell what loses messages, and what makes dead letters of them, each as a sentence without its subject, the queue. */
void queue_limits_judge(const char *queue, enum queue_role role, const struct queue_limits *limits,
                        enum dead_route route, risk_tell *tell, void *arg);

/* ---- the policies of task queues ---- */

/* The name and the pattern of a queue's policy, which is for this queue alone, because the dead-letter routing key is its name; and its definition,
 * for a queue of this type ("quorum", "classic"). Each NULL when memory ran out; the caller frees, or drops the reference. */
char *queue_policy_name(const char *queue);
char *queue_policy_pattern(const char *queue);
json_t *queue_policy_definition(const char *queue, const char *type);

#endif
