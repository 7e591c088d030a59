/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the server share: daemon.c, answer.c, cors.c, framing.c, peers.c, renewal.c. */
#ifndef CHARD_CORE_HTTP_SERVER_OWN_H
#define CHARD_CORE_HTTP_SERVER_OWN_H

#include "core/http/access_log.h"
#include "core/http/certificate.h"
#include "core/http/server.h"

#include <microhttpd.h>
#include <sys/stat.h>

enum {
        SERVER_REQUEST_MS = 30000, /* a connection must have brought its next request whole within that */
        SERVER_SILENT_S = 30,      /* … and read what it is sent, or send, some of it within that */
        SERVER_HEAD_BYTES =
                16384, /* a request line and its headers, and what libmicrohttpd notes of each, take no more */
        SERVER_HEADER_NOTE = 64,      /* … which is that much */
        SERVER_ANSWER_BYTES = 4096,   /* room for the head of the answer */
        SERVER_STREAM_PAGE = 2048,    /* what a stream that waits may leave in libmicrohttpd's buffer */
        SERVER_STREAM_BYTES = 262144, /* a stream whose client has that much still to read is ended */
        SERVER_MOST_HEADERS = 12,     /* of an answer, besides those that each has */
        SERVER_BODIES = 256 << 20,    /* bytes of all bodies that are there at once … */
        SERVER_BODY_SMALL = 64 << 10, /* … beyond which only smaller ones are taken */
};

/* ---- peers.c: connections, those that wait for a request in the order in which they began to ---- */

struct peer {
        struct peer *next, *before;
        int fd;
        bool waits;
        uint64_t since_ms;
        char address[48];
};

struct peers {
        struct peer *first, *last; /* of those that wait */
        unsigned count;            /* of all */
};

struct peer *peers_add(struct peers *p, struct MHD_Connection *connection, uint64_t now_ms);
void peers_remove(struct peers *p, struct peer *one);
/* It has brought its request whole. / It waits for the next one. */
void peers_serve(struct peers *p, struct peer *one);
void peers_wait(struct peers *p, struct peer *one, uint64_t now_ms);
/* Close those that have waited since before then; and the one that has waited longest, where there are more than `most`. */
void peers_close_since(struct peers *p, uint64_t before_ms);
void peers_close_beyond(struct peers *p, unsigned most);

/* ---- renewal.c: new certificates ---- */

struct renewal;

/* What tells one content of a file from the next. */
struct file_identity {
        dev_t device;
        ino_t inode;
        off_t size;
        struct timespec changed;
};

/* GnuTLS can be used from now on; asked again, it says so again. False: it can't. */
bool server_begin_gnutls(void);

/* The certificate is about to be read. / See whether there is another one; blocks for the reading of two small files. / A connection begins. / After the daemon. */
void renewal_open(struct server *s);
void renewal_look(struct server *s, uint64_t now_ms);
void renewal_use(const struct server *s, struct MHD_Connection *connection);
void renewal_close(struct server *s);

/* ---- the server, and a request ---- */

struct server {
        struct server_config config;
        struct MHD_Daemon *daemon;
        uv_poll_t poll;
        uv_timer_t wake; /* libmicrohttpd's own time */
        uv_timer_t sweep;
        unsigned handles; /* that are not closed yet */
        unsigned port;
        size_t bodies; /* bytes of those that are there */
        struct peers peers;
        struct exchange *exchanges; /* whose connections live */
        struct access_log *log;     /* or NULL */
        struct certificate certificate;
        struct renewal *renewal;                   /* the newest; NULL: the first certificate counts */
        struct file_identity chain_seen, key_seen; /* of its files when they were looked at */
        uint64_t renewal_looked_ms;
        bool renewal_failed; /* told already */
        bool stopping, told_idle;
        bool ending;        /* nothing is served any more */
        uint64_t looked_ms; /* when it was last seen whether clients have left */
};

struct exchange {
        struct server *server;
        struct exchange *next, *before;
        struct MHD_Connection *connection; /* NULL: it is over */
        struct peer *peer;
        unsigned references;
        bool headed, served; /* its headers have been looked at; it was handed to its route */
        bool suspended, closes, streams, ended;
        bool left;                   /* its client has, before the answer */
        char *name;                  /* what it is about, or NULL */
        char who[EXCHANGE_WHO_SIZE]; /* sends it; empty: unknown */
        int64_t who_until_s;         /* and is let in until then, Unix time; 0: for good */
        char method[16];
        struct target target;
        const struct route *route;
        struct buffer body;
        size_t counted; /* of the body, in server->bodies */
        size_t surplus; /* of the body beyond its limit */
        bool crowded;   /* there was no room for its body beside all others */
        uint64_t begun_us, until_ms;
        exchange_over *over;
        void *over_arg;
        void *own; /* the server's owner's */
        struct MHD_Response *response;
        unsigned status;
        uint64_t sent;
        char code[40]; /* of the problem that was answered, for the log */
        size_t header_count;
        struct answer_header {
                char name[32], *value;
        } headers[SERVER_MOST_HEADERS];
        struct buffer out; /* of a stream: not yet read by libmicrohttpd, from out_at on */
        size_t out_at;
        size_t touched; /* bytes of libmicrohttpd's buffer that were written to since its pages were given back */
        char raw[];     /* the target as it came */
};

/* How many bytes the body of a request may have. / Forget the body. */
size_t server_body_most(const struct exchange *x);
void exchange_drop_body(struct exchange *x);

/* Something was resumed: libmicrohttpd runs in the loop's next turn, once for all that was. */
void server_turn(struct server *s);

struct exchange *exchange_new(struct server *s, struct MHD_Connection *connection, const char *raw);

/* Its connection ends, or goes on to the next request. */
void exchange_leave(struct exchange *x);

/* Its client has left while it waited: let libmicrohttpd find that out. */
void exchange_leave_unanswered(struct exchange *x);

/* The answer that waits to be queued is queued. */
enum MHD_Result exchange_queue(struct exchange *x);

/* Tell who waits for news that the server stops, or that the time is up. */
void exchange_tell_over(struct exchange *x);

/* framing.c: what a request's head says, before its body is read. Returns 0, or 1 with `why`: then the connection must end with the answer. */
int framing_check(const struct exchange *x, struct problem *why);

/* cors.c: where the request comes from a page of a listed origin, tell its browser that the answer is for it. True when it does. */
bool cors_tell(struct exchange *x);

/* Answer whether such a page may send what it asks for, where it asks that (a preflight): the path takes these methods. True: it was answered. */
bool cors_preflight(struct exchange *x, const char *allowed);

#endif
