/* SPDX-License-Identifier: Apache-2.0 */
/* Decides whether another exchange may start. curl would take it at any time, but would queue it while its deadline runs, look the
 * same name up in a thousand threads, or, with HTTP/2, make a connection for each exchange that finds the first one full instead
 * of filling the next. Pure: time (monotonic milliseconds) comes in. Owned by the loop thread. */
#ifndef CHARD_AI_HTTP_ADMISSION_H
#define CHARD_AI_HTTP_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
        ADMISSION_STREAMS =
                100, /* exchanges that a connection carries with HTTP/2; curl's default, and most servers' */
        ADMISSION_MOST_STARTING = 256,      /* exchanges whose connection is being made or found */
        ADMISSION_MOST_LOOKUPS = 16,        /* the same while the host's address is unknown */
        ADMISSION_MOST_GROWTH = 64,         /* connections being made at once with HTTP/2 */
        ADMISSION_ADDRESS_KNOWN_MS = 50000, /* curl forgets an address after 60 s */
};

enum protocol { PROTOCOL_HTTP1, PROTOCOL_HTTP2, PROTOCOL_UNKNOWN /* TLS will agree on one of them */ };

struct admission {
        enum protocol protocol;
        bool literal;            /* the host needs no look-up */
        size_t most_connections; /* at once */
        size_t used, starting;   /* exchanges under way, and those of them whose request is not going out yet */
        size_t connecting;       /* of the starting ones, those that make a connection */
        uint64_t known_until_ms; /* the host's address is known */
};

/* Whether another exchange may start now, with `connections` open or being made. */
bool admission_open(const struct admission *r, size_t connections, uint64_t now_ms);

/* A socket for a connection was made, so the host's address is known. */
void admission_address_known(struct admission *r, uint64_t now_ms);

#endif
