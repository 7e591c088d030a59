/* SPDX-License-Identifier: Apache-2.0 */
/* Carrying out a saga: one move for each event that it waits for. */
#ifndef CHARD_SAGA_ACT_H
#define CHARD_SAGA_ACT_H

#include "tasks/consumer.h"
#include "tasks/saga.h"

/* The consumer's function (struct consumer_def's `act`). */
int saga_act(const struct consumer_input *in, struct outcome *out, struct problem *why);

/* The last of its facts, {key: value} (those of several sagas may be among them): what the saga NAME has come to, {"number", "state" (RUNNING, UNDOING,
 * DONE, FAILED), "step", "heard", …}. Borrowed; NULL: it has not begun. */
const json_t *saga_last(const json_t *facts, const char *name);

#endif
