/* SPDX-License-Identifier: Apache-2.0 */
/* The socket that a server listens on. */
#ifndef CHARD_CORE_HTTP_LISTEN_H
#define CHARD_CORE_HTTP_LISTEN_H

#include "core/problem.h"

#include <stdbool.h>

/* Take "ADDRESS:PORT" apart, brackets gone: "127.0.0.1:8780", "[::1]:8780", ":8780" (every address). False when it is none. */
bool listen_parts(const char *text, char address[64], char port[8]);

/* Listen there; *fd is the caller's to close. Returns 0, or 1 with `why` (source "http", code "bad_address", "address_in_use", "access_refused", "unreachable"). */
int listen_open(const char *text, int *fd, struct problem *why);

/* The port of such a socket. */
unsigned listen_port(int fd);

#endif
