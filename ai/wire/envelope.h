/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the few things that matter out of a chat completion without building the whole of it: a tree of all its members costs more
 * than sending the request. Knows only the plain form that a good answer has; whatever else comes, it leaves to the slow way.
 * Pure. */
#ifndef CHARD_AI_WIRE_ENVELOPE_H
#define CHARD_AI_WIRE_ENVELOPE_H

#include "core/bytes.h"

struct envelope {
        struct bytes content; /* choices[0].message.content as text, in the body or in the scratch buffer */
        struct bytes model;   /* in the body; empty when it is not there */
        unsigned tokens_in, tokens_out;
};

/* Read a body whose choices[0] has finish_reason "stop", a text as content and no refusal. `scratch` is the caller's, and lends its
 * memory to content where that is escaped. Returns 0; or 1: not of that form, or not JSON, look at it the slow way. */
int envelope_read(struct bytes body, struct envelope *out, struct buffer *scratch);

#endif
