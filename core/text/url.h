/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a URL that names a server: SCHEME://[[USER]:PASSWORD@][HOST][:PORT][/PATH][?QUERY]. Pure. */
#ifndef CHARD_CORE_TEXT_URL_H
#define CHARD_CORE_TEXT_URL_H

#include <stdbool.h>
#include <stddef.h>

/* All owned; NULL where there is none, or nothing in it. User, password and host are decoded; a lone user without ':' is one. */
struct url {
        char *scheme, *user, *password;
        char *host;     /* without the brackets of an IPv6 address */
        char *port;     /* 1 … 65535 */
        char *path;     /* as written, with its '/' */
        char *query;    /* as written, without its '?' */
        bool malformed; /* a '%' without two digits behind it, which was left as it is */
};

/* Whatever follows a '#' is left out. Returns 0; 1 for what is no such URL; or -ENOMEM. */
int url_read(const char *text, struct url *out);
void url_free(struct url *u);

/* A decoded copy of `size` bytes; *malformed (unless NULL) is set when a '%' stands for itself. NULL when memory ran out, or with *zero set
 * (unless NULL) for a %00, which no text can hold. */
char *url_decode(const char *text, size_t size, bool *malformed, bool *zero);

#endif
