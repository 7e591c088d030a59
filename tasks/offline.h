/* SPDX-License-Identifier: Apache-2.0 */
/* The answerer behind the offline provider: each task answers for itself, from the document and its own data alone. Pure. */
#ifndef CHARD_OFFLINE_H
#define CHARD_OFFLINE_H

#include "ai/ai.h"
#include "tasks/task.h"

#include <jansson.h>

/* Answer a request by its task's own `offline` function; the request's facts are the task's document.
 * Returns 0 and a new reference; 1 with `why` (source "task", code "no_offline_answer") for a task that has none (NULL: a task that
 * nobody knows); or < 0. */
int offline_answer(const struct task *task, const struct ai_request *request, json_t **answer, struct problem *why);

#endif
