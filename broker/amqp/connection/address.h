/* SPDX-License-Identifier: Apache-2.0 */
/* Where brokers are: reads a list of AMQP URLs. Pure.
 * Sources: RabbitMQ documentation, "RabbitMQ URI Specification"; RFC 3986, 2.1 (percent-encoding). */
#ifndef CHARD_BROKER_AMQP_CONNECTION_ADDRESS_H
#define CHARD_BROKER_AMQP_CONNECTION_ADDRESS_H

#include "core/problem.h"

#include <stdbool.h>
#include <stddef.h>

/* One broker; the texts are decoded and owned by the list. */
struct amqp_address {
        char *host, *user, *password, *vhost;
        int port;
        bool tls;
};

struct amqp_address_list {
        struct amqp_address *items;
        size_t count;
};

/* Read `amqp[s]://[user[:password]@]host[:port][/vhost]`, several separated by commas (or semicolons, as Celery has them).
 * User, password and vhost may be percent-encoded. Without a vhost, or with one that is empty or "/", it is "/".
 * Returns 0; 1 with `why` (code "bad_url", never quoting a password); or -ENOMEM. Freed with amqp_address_list_free. */
int amqp_address_list_parse(struct amqp_address_list *out, const char *urls, struct problem *why);
void amqp_address_list_free(struct amqp_address_list *list);

#endif
