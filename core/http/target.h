/* SPDX-License-Identifier: Apache-2.0 */
/* The target of a request, "/v1/jobs/ID?wait=30", as decoded texts. Pure.
 * Source: RFC 9112, 3.2.1 (origin-form); RFC 3986, 3.3 and 3.4; the URL standard, "application/x-www-form-urlencoded". */
#ifndef CHARD_CORE_HTTP_TARGET_H
#define CHARD_CORE_HTTP_TARGET_H

#include "core/problem.h"

#include <stddef.h>

enum { TARGET_MOST_SEGMENTS = 8, TARGET_MOST_PAIRS = 16 };

/* All texts are UTF-8 without control characters, owned by `memory`. */
struct target {
        size_t segment_count, pair_count;
        const char *segments
                [TARGET_MOST_SEGMENTS]; /* none is "." or ".."; only the last of several may be empty: "/console/" */
        struct target_pair {
                const char *name, *value;
        } pairs[TARGET_MOST_PAIRS]; /* no name stands there twice */
        char *memory;
};

/* Read one. Returns 0; 1 with `why` (source "request", code "bad_target") for what no client of this interface sends: a target that is no path, escapes that are
 * none, control characters, dot segments, a parameter given twice; or -ENOMEM. target_free may be called in each case. */
int target_read(const char *text, struct target *out, struct problem *why);
void target_free(struct target *t);

/* The value of a parameter, or NULL where it was not given. Borrowed. */
const char *target_value(const struct target *t, const char *name);

#endif
