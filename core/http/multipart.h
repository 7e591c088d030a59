/* SPDX-License-Identifier: Apache-2.0 */
/* A form with files, as browsers and curl -F send it: its parts, one after the other. Pure; nothing is copied, and no byte is looked at more than twice.
 * Sources: RFC 7578; RFC 2046, 5.1.1. libmicrohttpd's post processor needs a connection, so that nothing could be tried without one. */
#ifndef CHARD_CORE_HTTP_MULTIPART_H
#define CHARD_CORE_HTTP_MULTIPART_H

#include "core/bytes.h"
#include "core/problem.h"

#include <stdbool.h>

struct multipart {
        struct bytes body;
        size_t at;          /* behind the delimiter of the part that is read next */
        char delimiter[80]; /* "\r\n--BOUNDARY" */
        size_t delimiter_size;
        bool ended; /* the last part was read */
};

/* All borrowed from the body, and as they came. */
struct multipart_part {
        struct bytes name, type, content; /* type is empty where the part says none */
        bool file;                        /* it has a file's name */
};

#define MULTIPART_TYPE "multipart/form-data"

/* Begin. `type` is Content-Type's value; `body` must stay until the last part was read. 0, or 1 with `why` (source "request", code "bad_form"). */
int multipart_begin(struct multipart *m, const char *type, struct bytes body, struct problem *why);

/* The next part. 0; MULTIPART_END after the last one; or 1 with `why`, as above: of a form that is cut short or none. */
enum { MULTIPART_END = 2 };
int multipart_next(struct multipart *m, struct multipart_part *out, struct problem *why);

#endif
