/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 by libmicrohttpd on the one loop: its epoll descriptor is watched by libuv, what waits is suspended, no thread is made.
 * What is malformed, too large, too slow or meant for somebody else is answered here, and costs no more than itself. */
#ifndef CHARD_GATEWAY_HTTP_SERVER_H
#define CHARD_GATEWAY_HTTP_SERVER_H

#include "gateway/http/exchange.h"

#include <uv.h>

struct server;

/* Borrowed as long as the server lives. */
struct server_config {
        uv_loop_t *loop;
        const char *listen;   /* "127.0.0.1:8780", "[::1]:8780"; port 0 = a free one */
        const char *hosts;    /* further names that Host may have, comma-separated; see host.h */
        unsigned connections; /* at once; beyond them the one that has waited longest for a request is closed */
        size_t body_most;     /* bytes of one request's body */
        const char *log_file; /* a JSON line a request: a file's name, "-" = standard output, or NULL = none */
        const struct route *routes;
        struct gateway *gateway; /* handed to the routes' functions */
        void (*idle)(void *arg); /* after server_stop: no request is under way any more */
        void *arg;
};

/* Listen. Returns 0; 1 with `why` (source "gateway", code "bad_address", "address_in_use", "access_refused"); or -errno. */
int server_open(struct server **out, const struct server_config *config, struct problem *why);

/* The port that it listens on. */
unsigned server_port(const struct server *s);

/* Take no more connections, end what waits for news; then, and not from inside, `idle`. */
void server_stop(struct server *s);

/* Close what is left. The loop must turn until it is idle. */
void server_close(struct server *s);

#endif
