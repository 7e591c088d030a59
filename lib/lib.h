/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of libchard share. Its public side is include/chard/producer.h. */
#ifndef CHARD_LIB_H
#define CHARD_LIB_H

#include "core/id.h"
#include "core/problem.h"
#include "include/chard/producer.h"
#include "message/canvas/plan.h"
#include "message/message.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* ---- error.c ---- */

/* Fill in; `e` may be NULL. Return the code. */
int lib_fail(struct chard_error *e, int code, const char *name, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
int lib_fail_problem(struct chard_error *e, int code, const struct problem *why);
int lib_no_memory(struct chard_error *e);

/* ---- signature.c ---- */

/* A signature as Celery writes it: {"task", "args", "kwargs", "options", "subtask_type", "immutable"}. */
struct chard_signature {
        json_t *json;
        unsigned depth; /* how deep signatures nest in it; 0 = not at all */
};

/* ---- message.c ---- */

/* The message of one planned task. Countdown and relative expires count from now_ms. Returns 0; 1 with `why`; or -ENOMEM. */
int lib_message(const json_t *task, const char *origin, int64_t now_ms, struct message **out, struct problem *why);

/* ---- reading results: result.c ---- */

/* Is this a result of a task that has ended? */
bool result_is_final(const json_t *meta);

/* A stored result in the words of chard_wait: CHARD_OK or CHARD_TASK_FAILED; *value is a new reference, unless NULL. */
int result_verdict(const json_t *meta, json_t **value, struct chard_error *why);

#endif
