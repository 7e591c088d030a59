/* SPDX-License-Identifier: Apache-2.0 */
/* The turns of a conversation before the user's text: input.history, [{"role": "user" | "assistant", "content": text}…]. Pure. */
#ifndef CHARD_WASTE_HISTORY_H
#define CHARD_WASTE_HISTORY_H

#include "tasks/task.h"

#define HISTORY_SENT         10    /* the last turns that a model is told */
#define HISTORY_CONTENT_MOST 16000 /* bytes of one turn */

/* Check the form of every turn; no history is fine. Returns 0; or 1 with `why` (source "task", code "bad_input"), naming the element. */
int history_check(const struct task_input *in, struct problem *why);

/* Add the last turns to the request, each in its own role. 0 or -ENOMEM. */
int history_say(const struct task_input *in, struct ai_request *request);

#endif
