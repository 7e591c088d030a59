/* SPDX-License-Identifier: Apache-2.0 */
/* A connection to a Redis that is made again by itself. Where sentinels are named, they are asked for the master before every connection, and every
 * address of a name is tried. Commands that were not answered when it broke are sent again, in order, over the next one: so every command must be one
 * that may be repeated. There are two kinds of links:
 *
 *   one that is kept up     connects at once, and again and again; commands wait while the server is away, but none for longer than
 *                           REDIS_PATIENCE_MS from when it went
 *   one on demand           connects when there is something to send; what can't be sent over a connection that was made anew for it is answered
 *                           at once, so that whoever waits is told why
 *
 * Loop thread; never blocks. */
#ifndef CHARD_REDIS_LINK_H
#define CHARD_REDIS_LINK_H

#include "core/bytes.h"
#include "core/problem.h"
#include "redis/address.h"

#include <hiredis/hiredis.h>
#include <uv.h>

struct redis_link;

/* Texts are constants. */
struct redis_link_config {
        uv_loop_t *loop;
        unsigned connect_timeout_ms;
        bool on_demand;        /* else it is kept up */
        const char *then;      /* kept up: what the log says follows while it is away */
        const char *probe_key; /* kept up: written to see whether it takes writes again; it expires at once */
        /* Something came on a channel that was subscribed to; borrowed. NULL: nobody subscribes. */
        void (*heard)(const redisReply *message, void *arg);
        /* The connection broke, and with it all subscriptions: SUBSCRIBE may be sent again within this call. NULL: nobody subscribes. */
        void (*lost)(void *arg);
        void *arg;
};

/* Takes what `address` holds. 0; 1 with `why` when the certificates that it names can't be used; or -ENOMEM. */
int redis_link_open(struct redis_link **out, const struct redis_link_config *config, struct redis_address *address,
                    struct problem *why);

/* What all keys begin with: "" or a text that lives as long as the link. */
const char *redis_link_prefix(const struct redis_link *l);

/* `reply` is borrowed; an error reply that waiting can't cure arrives here too. NULL: the link was closed first, or the server is away
 * (redis_link_closed says which); the command may or may not have been carried out. */
typedef void redis_answer(redisReply *reply, void *arg);

/* Send a command of `count` words (copied). 0, or -ENOMEM: then nothing will be answered. Never answers from inside. A SUBSCRIBE or UNSUBSCRIBE
 * names one channel; a link that has subscribed to any takes no other commands. */
int redis_link_send(struct redis_link *l, const struct bytes words[], size_t count, redis_answer *answer, void *arg);

/* So long commands wait for a link that is kept up. Then they are answered, so that nothing is held that others could do. */
#define REDIS_PATIENCE_MS 2000

/* Does it serve nobody now? */
bool redis_link_away(const struct redis_link *l);

/* Why it broke, or could not be made, the last time: "" or a text that lives until the next time. *refused: the server said so itself. */
const char *redis_link_why(const struct redis_link *l, bool *refused);

/* Inside of an answer: is it NULL because the link is being closed? */
bool redis_link_closed(const struct redis_link *l);

/* Answer what is open with NULL. The loop must turn until it is idle: handles close there. */
void redis_link_close(struct redis_link *l);

#endif
