/* SPDX-License-Identifier: Apache-2.0 */
/* Which function serves a request: one table of routes, from which the description of the interface comes as well. Pure. */
#ifndef CHARD_CORE_HTTP_ROUTE_H
#define CHARD_CORE_HTTP_ROUTE_H

#include "core/problem.h"
#include "core/http/target.h"

#include <stdbool.h>
#include <stddef.h>

struct exchange;

enum route_kind { ROUTE_TEXT, ROUTE_NUMBER, ROUTE_TIME };

/* A parameter of the query. */
struct route_param {
        const char *name;
        enum route_kind kind;
        long least, most; /* of a number */
        const char *help;
};

struct route {
        const char *method;  /* "GET" stands for HEAD too */
        const char *pattern; /* "/v1/jobs/{id}"; a segment in braces is any text that is not empty */
        void (*serve)(void *owner, struct exchange *x); /* `owner` is the server's */
        const struct route_param *params;               /* ended by a NULL name; NULL: none */
        const char *
                takes; /* media types of its body, comma-separated, the one that is meant first; a * at the end stands for any; NULL: it takes none */
        const void *subject; /* what the owner notes of it, or NULL */
        const char *summary; /* NULL: it is no part of what is described */
        const char *needs;   /* what who sends it must be allowed, in the owner's words; NULL: nothing */
};

#define ROUTE_METHODS_SIZE 64
#define ROUTE_TYPE_SIZE    64

/* The text that stood for a segment in braces; NULL where the route has no such. Borrowed from the target. */
const char *route_part(const struct route *r, const struct target *t, const char *name);

/* Find the route of a request in a table that ends with a NULL method; the first that fits counts. NULL with `why` (code "not_found"), or "bad_method" with the methods
 * that the path takes in `allowed`, which else is empty: "GET, DELETE". */
const struct route *route_find(const struct route *routes, const char *method, const struct target *t,
                               char allowed[ROUTE_METHODS_SIZE], struct problem *why);

/* Does it take a body of this type, as Content-Type has it? */
bool route_takes(const struct route *r, const char *type);

/* The next of the types that it takes, from *at on, which is moved behind it; false after the last. `at` begins as r->takes. */
bool route_next_type(const char **at, char out[ROUTE_TYPE_SIZE]);

/* Are these parameters the route's, and what they should be? 0, or 1 with `why` (source "request", code "bad_parameter"). */
int route_check(const struct route *r, const struct target *t, struct problem *why);

/* A parameter's number, or `otherwise` where it was not given; the route has checked it. / The same of a time, in milliseconds since 1970. */
long route_number(const struct target *t, const char *name, long otherwise);
long long route_time(const struct target *t, const char *name);

#endif
