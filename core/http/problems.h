/* SPDX-License-Identifier: Apache-2.0 */
/* What clients are told went wrong. Pure. Source: RFC 9457. */
#ifndef CHARD_CORE_HTTP_PROBLEMS_H
#define CHARD_CORE_HTTP_PROBLEMS_H

#include "core/problem.h"

#include <jansson.h>

/* A problem's status, by source and code, since a code is the source's own word. A table ends with a NULL code. */
struct problem_row {
        const char *source, *code;
        unsigned status;
};

/* The HTTP status of a problem: of one that a server finds in a request, or as the routes' own table (NULL: none) has it. What is not listed is the
 * server's fault, and may pass: 503. */
unsigned problem_status(const struct problem *why, const struct problem_row *own);

/* {"type","title","status","detail","code"} and the members of `extra`, or NULL. A new reference; NULL when memory ran out. */
json_t *problem_details(unsigned status, const struct problem *why, const json_t *extra);

#endif
