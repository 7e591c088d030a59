/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the answer out of an assistant's message, however it is wrapped: as parts, behind thoughts, in a code fence, with words around it, as the arguments
 * of a tool call. What comes out is checked against the schema by the caller, so a wrapping may be taken off generously. Pure. */
#ifndef CHARD_AI_WIRE_CONTENT_H
#define CHARD_AI_WIRE_CONTENT_H

#include "core/bytes.h"
#include "core/problem.h"

#include <jansson.h>
#include <stdbool.h>

/* What a message holds. Borrowed from the message or from `joined`. */
struct said {
        struct bytes text;
        const json_t *value;  /* the answer as a value instead, or NULL */
        const char *refusal;  /* the model's own, or "" */
        bool nothing;         /* the message has no content at all */
        struct buffer joined; /* owned: buffer_free */
};
void content_read(const json_t *message, struct said *out);

/* Read the answer in `text`. Returns 0 and a new reference; or 1 with `why` (source "provider"): code "empty", or "bad_json". */
int content_parse(struct bytes text, json_t **out, struct problem *why);

#endif
