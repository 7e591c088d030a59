/* SPDX-License-Identifier: Apache-2.0 */
/* A server's certificate and its key, as libmicrohttpd wants them: the text of both files. */
#ifndef CHARD_CORE_HTTP_CERTIFICATE_H
#define CHARD_CORE_HTTP_CERTIFICATE_H

#include "core/problem.h"

struct certificate {
        char *chain, *key; /* PEM, owned; NULL: there is none */
};

/* Read two PEM files and see that they belong together. NULL or "" for both: none. Returns 0; 1 with `why` (source "http", code "bad_certificate"); or -ENOMEM: then there is nothing to free. Blocks. */
int certificate_read(struct certificate *out, const char *chain_file, const char *key_file, struct problem *why);

/* The key is overwritten before it is given back. */
void certificate_free(struct certificate *c);

#endif
