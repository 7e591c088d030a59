/* SPDX-License-Identifier: Apache-2.0 */
/* Where PostgreSQL is: a postgresql:// URL turned into libpq's keywords, with what chard wants of every connection
 * added where the URL leaves it open (keepalives, a writable server, UTF-8). The password never gets into a message. */
#ifndef CHARD_STORE_POSTGRES_LINK_CONNINFO_H
#define CHARD_STORE_POSTGRES_LINK_CONNINFO_H

#include "core/problem.h"

#define CONNINFO_MAX 64

struct conninfo {
        const char *keywords[CONNINFO_MAX + 1];
        const char *values[CONNINFO_MAX + 1];
        void *parsed; /* libpq's options, which the keywords and values point into */
        char user_timeout[16];
        char application[64];
};

/* Read a URL. `silence_ms` is how long a peer may be silent before the link counts as broken, `owner` the worker's name
 * (may be NULL); several hosts share connect_timeout_ms. Returns 0; 1 with `why` (source "store", code "bad_url"); or -ENOMEM. */
int conninfo_read(struct conninfo *a, const char *url, const char *owner, unsigned connect_timeout_ms,
                  unsigned silence_ms, struct problem *why);

void conninfo_free(struct conninfo *a);

#endif
