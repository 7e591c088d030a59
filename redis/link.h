/* SPDX-License-Identifier: Apache-2.0 */
/* A Redis that is kept up: commands wait while it is away, and those that were not answered are sent again, in order, when it is back;
 * but none waits for longer than REDIS_PATIENCE_MS from when it went away. So every command must be one that may be repeated. Where sentinels are named, they are asked for the master before every connection.
 * Loop thread; never blocks. */
#ifndef CHARD_REDIS_LINK_H
#define CHARD_REDIS_LINK_H

#include "core/bytes.h"
#include "core/problem.h"
#include "redis/address.h"

#include <hiredis/hiredis.h>
#include <uv.h>

struct redis_link;

/* Takes what `address` holds. 0; 1 with `why` when the certificates that it names can't be used; or -ENOMEM. Connecting begins at once. */
int redis_link_open(struct redis_link **out, uv_loop_t *loop, unsigned connect_timeout_ms,
                    struct redis_address *address, struct problem *why);

/* What all keys begin with: "" or a text that lives as long as the link. */
const char *redis_link_prefix(const struct redis_link *l);

/* `reply` is borrowed; an error reply that waiting can't cure arrives here too. NULL: the link was closed first, or the server is away
 * (redis_link_closed says which); the command may or may not have been carried out. */
typedef void redis_answer(redisReply *reply, void *arg);

/* Send a command of `count` words (copied). 0, or -ENOMEM: then nothing will be answered. */
int redis_link_send(struct redis_link *l, const struct bytes words[], size_t count, redis_answer *answer, void *arg);

/* So long commands wait for it. Then they are answered, so that nothing is held that others could do. */
#define REDIS_PATIENCE_MS 2000

/* Does it serve nobody now? */
bool redis_link_away(const struct redis_link *l);

/* Inside of an answer: is it NULL because the link is being closed? */
bool redis_link_closed(const struct redis_link *l);

/* Answer what is open with NULL. The loop must turn until it is idle: handles close there. */
void redis_link_close(struct redis_link *l);

#endif
