/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to Redis that is kept up: commands wait while it is away, and those that were not answered are sent again, in order,
 * when it is back. So every command must be one that may be repeated. Loop thread; never blocks. */
#ifndef CHARD_RESULTS_REDIS_LINK_H
#define CHARD_RESULTS_REDIS_LINK_H

#include "core/bytes.h"
#include "core/problem.h"

#include <hiredis/hiredis.h>
#include <uv.h>

struct redis_link;

/* Where, from a URL: redis://[[user]:password@]host[:port][/db] or redis+socket:///path[?virtual_host=db]. All owned. */
struct redis_address {
        char *host, *port, *path; /* path: a Unix socket, then host and port are NULL */
        char *user, *password;    /* or NULL */
        char *db;                 /* or NULL */
};
int redis_address_read(const char *url, struct redis_address *out, struct problem *why);
void redis_address_free(struct redis_address *a);

/* Takes what `address` holds. 0 or -ENOMEM. Connecting begins at once. */
int redis_link_open(struct redis_link **out, uv_loop_t *loop, unsigned connect_timeout_ms,
                    struct redis_address *address);

/* `reply` is borrowed; an error reply that waiting can't cure arrives here too. NULL: the link was closed first. */
typedef void redis_answer(redisReply *reply, void *arg);

/* Send a command of `count` words (copied). 0, or -ENOMEM: then nothing will be answered. */
int redis_link_send(struct redis_link *l, const struct bytes words[], size_t count, redis_answer *answer, void *arg);

/* Answer what is open with NULL. The loop must turn until it is idle: handles close there. */
void redis_link_close(struct redis_link *l);

#endif
