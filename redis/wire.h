/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to a Redis or to a sentinel: commands out, replies in, over TCP or a Unix socket, with TLS where asked. hiredis reads the
 * replies; its own asynchronous connections know no TLS before version 1.0. What is written in one turn of the loop leaves together.
 * Loop thread; never blocks. */
#ifndef CHARD_RESULTS_REDIS_WIRE_H
#define CHARD_RESULTS_REDIS_WIRE_H

#include "core/bytes.h"

#include <hiredis/hiredis.h>
#include <openssl/ssl.h>
#include <uv.h>

struct redis_wire;

/* Any of them may close the wire; after `down` nothing more is heard, and it is still to be closed. */
struct redis_wire_listener {
        void (*up)(void *arg);                       /* connected, and greeted by TLS */
        void (*reply)(redisReply *reply, void *arg); /* borrowed */
        void (*progress)(void *arg);                 /* some of what was written has left */
        void (*down)(const char *why, void *arg);
};

/* Where to: a Unix socket's path, or else a socket that is connected. */
struct redis_target {
        const char *path;
        int fd;   /* takes */
        SSL *tls; /* takes; NULL: none */
};

/* Begin. 0; or -errno, then what `target` gives is given back all the same. With a connected socket and no TLS the listener hears `up` within
 * the call, when *out is set. */
int redis_wire_open(struct redis_wire **out, uv_loop_t *loop, const struct redis_target *target,
                    const struct redis_wire_listener *listener, void *arg);

/* Send this after what was written before it. Copied. */
void redis_wire_write(struct redis_wire *w, struct bytes text);

/* How many bytes have not left yet. */
size_t redis_wire_unsent(const struct redis_wire *w);

/* Nothing is heard any more. The loop must turn until it is idle. NULL is fine. */
void redis_wire_close(struct redis_wire *w);

#endif
