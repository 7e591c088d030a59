/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the "response_format" of each task and its constant texts as they go over the wire: a schema and a prompt have some kilobytes
 * each, and a task always asks with the same ones.
 * Owned by the loop thread. */
#ifndef CHARD_AI_WIRE_FORMATS_H
#define CHARD_AI_WIRE_FORMATS_H

#include "ai/wire/request.h"

struct formats;

int formats_new(struct formats **out);
void formats_free(struct formats *all);

/* What is known of a request, borrowed until the next call. The format is made anew whenever the task comes with another schema than last time (a
 * reference is held, so that the same address means the same schema; a schema must not change once it was asked with).
 * Returns 0 or -ENOMEM. */
int formats_get(struct formats *all, const struct ai_request *request, struct request_known *out);

#endif
