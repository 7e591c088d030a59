/* SPDX-License-Identifier: Apache-2.0 */
/* Answers without any endpoint, from what the program itself knows. Costs nothing. Loop thread. */
#ifndef CHARD_AI_OFFLINE_H
#define CHARD_AI_OFFLINE_H

#include "ai/ai.h"

/* Answer `request` with `hook` (see struct ai_config; NULL = nobody can) and check the answer against the request's schema, as one that
 * came from outside. Fills *reply but elapsed_ms; its content is a new reference. */
void offline_reply(int (*hook)(const struct ai_request *, json_t **, void *, struct problem *), void *arg,
                   const struct ai_request *request, struct ai_reply *reply);

#endif
