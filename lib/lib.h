/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of libchard share. Its public side is include/chard.h. */
#ifndef CHARD_LIB_H
#define CHARD_LIB_H

#include "core/id.h"
#include "core/problem.h"
#include "include/chard.h"
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

/* ---- redis.c: one connection, used by one thread at a time ---- */

struct lib_redis;

int lib_redis_open(struct lib_redis **out, const char *url, unsigned connect_timeout_ms, unsigned expires_s,
                   struct chard_error *why);
void lib_redis_close(struct lib_redis *r);

/* Say how many parts a chord has; `tree`, where its results nest (else NULL), is what the workers join them by. */
int lib_redis_chord(struct lib_redis *r, const char *group_id, json_int_t size, const json_t *tree,
                    struct chard_error *why);

/* The stored result of a task as JSON text (to be freed), waiting up to timeout_ms (< 0: without end) in turns, after each of which `go_on` is
 * asked. CHARD_OK, CHARD_TIMED_OUT, CHARD_UNREACHABLE, CHARD_ACCESS, CHARD_UNCERTAIN when go_on said no. */
int lib_redis_result(const struct lib_redis *r, const char *id, long timeout_ms, bool (*go_on)(void *arg), void *arg,
                     char **text, struct chard_error *why);

/* ---- reading results: result.c ---- */

/* Is this a result of a task that has ended? */
bool result_is_final(const json_t *meta);

/* A stored result in the words of chard_wait: CHARD_OK or CHARD_TASK_FAILED; *value is a new reference, unless NULL. */
int result_verdict(const json_t *meta, json_t **value, struct chard_error *why);

#endif
