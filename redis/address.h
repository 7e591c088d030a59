/* SPDX-License-Identifier: Apache-2.0 */
/* Where a Redis is, from a result URL as Celery writes them:
 *
 *     redis://[[user]:password@]host[:port][/db]            rediss://…, the same over TLS
 *     redis+socket:///path[?virtual_host=db]
 *     sentinel://[[user]:password@]host[:port][/db][;sentinel://…]…?master_name=NAME
 *
 * What Celery takes from result_backend_transport_options stands in the query here: master_name, global_keyprefix, and of its
 * sentinel_kwargs sentinel_username, sentinel_password and sentinel_ssl. Pure, but that nothing is looked up. */
#ifndef CHARD_REDIS_ADDRESS_H
#define CHARD_REDIS_ADDRESS_H

#include "core/net/tls.h"
#include "core/problem.h"

#include <stddef.h>

enum { REDIS_MOST_HOSTS = 16 };

/* All owned; NULL where the URL says nothing. */
struct redis_address {
        struct redis_host {
                char *name, *port;
        } hosts[REDIS_MOST_HOSTS]; /* the server; or its sentinels, when there is a master's name */
        size_t host_count;
        char *path; /* a Unix socket, then there are no hosts */
        char *user, *password, *db;
        char *master; /* what the sentinels call it */
        char *sentinel_user, *sentinel_password;
        char *prefix; /* of all keys, with its separator */
        struct tls_options tls;
        bool sentinel_tls;
};

/* Returns 0; 1 with `why` (source "results", code "bad_url"); or -ENOMEM. */
int redis_address_read(const char *url, struct redis_address *out, struct problem *why);
void redis_address_free(struct redis_address *a);

#endif
