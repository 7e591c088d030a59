/* SPDX-License-Identifier: Apache-2.0 */
/* `Idempotency-Key`: by it a client says that it sends the same request again. Pure.
 * Sources: draft-ietf-httpapi-idempotency-key-header-07, 2.1; RFC 9651, 3.3.3 (strings). */
#ifndef CHARD_CORE_HTTP_REQUEST_KEY_H
#define CHARD_CORE_HTTP_REQUEST_KEY_H

#include "core/problem.h"

#define REQUEST_KEY_SIZE 256 /* with its end */

/* Read the header's value: a string of structured fields, "in quotes", or, as most clients send it, the text alone. Both are the same key. Returns 0; or 1 with `why`
 * (source "request", code "bad_key") and an empty key. */
int request_key_read(const char *value, char key[REQUEST_KEY_SIZE], struct problem *why);

#endif
