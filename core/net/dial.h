/* SPDX-License-Identifier: Apache-2.0 */
/* Getting to a server by its name, which may have several addresses, of which some may not be reached. As "happy eyeballs" (RFC 8305):
 * they are tried in the system's order with families taking turns, the next one when the last has failed or has kept silent for 250 ms,
 * and the first that answers wins. Blocks: call it on a thread that may wait (core/thread/work.h). */
#ifndef CHARD_CORE_NET_DIAL_H
#define CHARD_CORE_NET_DIAL_H

#include <netdb.h>
#include <stddef.h>

enum { DIAL_AFTER_MS = 250, DIAL_MOST = 16 };

struct dialled {
        int fd;           /* connected, not blocking, closed by exec; the caller's. -1 when there is none */
        char address[64]; /* that it leads to: "127.0.0.1", "::1" */
        char addresses[DIAL_MOST *
                       64]; /* all that the name has, with commas between them: `address`, then the others */
        char why[128];      /* why it failed: the first address's reason, or that the name was not found */
};

/* Connect to a name or address and a port's number. Connecting takes up to `timeout_ms`, and ends when `cancel_fd` (or -1) becomes readable; for
 * how long the name is looked up the system's resolver decides. Returns 0, or -errno with out->why. */
int dial(const char *host, const char *port, unsigned timeout_ms, int cancel_fd, struct dialled *out);

/* Find out which address to use, for a library that then connects by itself. The connection is closed again, and there is none where
 * the name has one address only. Returns as dial does; out->fd is -1. */
int dial_choose(const char *host, const char *port, unsigned timeout_ms, int cancel_fd, struct dialled *out);

/* Pure: the order in which to try the addresses of `found`. Returns how many there are in `out`, at most DIAL_MOST. */
size_t dial_order(const struct addrinfo *found, const struct addrinfo *out[DIAL_MOST]);

#endif
