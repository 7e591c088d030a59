/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the "response_format" of each task as text: a schema has some kilobytes, and a task always asks with the same one.
 * Owned by the loop thread. */
#ifndef CHARD_AI_FORMATS_H
#define CHARD_AI_FORMATS_H

#include "ai/ai.h"

struct formats;

int formats_new(struct formats **out);
void formats_free(struct formats *all);

/* The text for a request, borrowed until the next call. It is made anew whenever the task comes with another schema than last time (a
 * reference is held, so that the same address means the same schema; a schema must not change once it was asked with).
 * Returns 0 or -ENOMEM. */
int formats_get(struct formats *all, const struct ai_request *request, struct bytes *out);

#endif
