/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 by libmicrohttpd on the one loop: its epoll descriptor is watched by libuv, what waits is suspended, no thread is made.
 * What is malformed, too large, too slow or meant for somebody else is answered here, and costs no more than itself. */
#ifndef CHARD_CORE_HTTP_SERVER_H
#define CHARD_CORE_HTTP_SERVER_H

#include "core/http/exchange.h"
#include "core/http/problems.h"

#include <uv.h>

struct server;

/* How a request ended; borrowed for the length of the call. */
struct server_answer {
        const char *method;
        const struct route *route; /* NULL: none was found */
        unsigned status;           /* 0: none was sent */
        const char *code;          /* of the problem that was answered, or "" */
        uint64_t took_us;
        struct exchange *exchange;
};

/* Borrowed as long as the server lives. */
struct server_config {
        uv_loop_t *loop;
        const char *listen;        /* "127.0.0.1:8780", "[::1]:8780"; port 0 = a free one */
        const char *hosts;         /* further names that Host may have, comma-separated; see host.h */
        const char *hosts_setting; /* where they can be set, for who is refused; or NULL */
        const char *origins;       /* further origins whose pages may use it (CORS), comma-separated; see host.h */
        const char *origins_setting;
        unsigned connections; /* at once; beyond them the one that has waited longest for a request is closed */
        size_t body_most;     /* bytes of one request's body */
        size_t (*route_most)(const void *owner,
                             const struct route *r); /* … to this route, where that is more; or NULL */
        const char *tls_certificate_file;            /* PEM, with what leads to its authority; NULL or "": no TLS */
        const char *tls_key_file;
        const char *log_file; /* a JSON line a request: a file's name, "-" = standard output, or NULL = none */
        const struct route *routes;
        const struct problem_row *problems; /* that the routes find, besides those of a request; or NULL */
        void *owner;                        /* handed to the routes' functions */
        /* May it be served? Asked once its head is in order, before its body is read. 0, or 1 with `why`. NULL: everything may. */
        int (*admit)(void *owner, struct exchange *x, struct problem *why);
        void (*answered)(void *owner, const struct server_answer *answer); /* after each request; or NULL */
        void (*idle)(void *arg); /* after server_stop: no request is under way any more */
        void *arg;
};

/* Listen. Returns 0; 1 with `why` (source "http", code "bad_address", "address_in_use", "access_refused", "bad_certificate"); or -errno. */
int server_open(struct server **out, const struct server_config *config, struct problem *why);

/* The port that it listens on. */
unsigned server_port(const struct server *s);

/* Connections that are open now. */
unsigned server_connections(const struct server *s);

/* End those streams that are not to stay; and those who wait for news (exchange_on_over), whom `refuse` answers. */
void server_end_waiting(struct server *s, bool (*stays)(const struct exchange *x, void *arg),
                        void (*refuse)(struct exchange *x), void *arg);

/* Take no more connections, end what waits for news; then, and not from inside, `idle`. */
void server_stop(struct server *s);

/* Close what is left. The loop must turn until it is idle. */
void server_close(struct server *s);

#endif
