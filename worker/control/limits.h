/* SPDX-License-Identifier: Apache-2.0 */
/* What `celery control rate_limit` and `time_limit` have set for tasks here. Owned by the loop thread; the time comes as an argument. */
#ifndef CHARD_WORKER_CONTROL_LIMITS_H
#define CHARD_WORKER_CONTROL_LIMITS_H

#include "core/problem.h"

#include <stdint.h>

struct limit;

/* Zero-initialise to start. */
struct limits {
        struct limit *first;
};
void limits_close(struct limits *l);

/* Read "10/s", "10/m", "10/h" or "10" (a second) as tasks in an hour; 0 = no limit. Returns 0, or 1 when it is none of these. */
int limits_read_rate(const char *text, double *per_hour);

/* Set the rate of tasks of this name; 0 takes it away. / Set their time limits, in milliseconds; 0 takes one away. 0 or -ENOMEM. */
int limits_set_rate(struct limits *l, const char *task, double per_hour, const char *shown);
int limits_set_time(struct limits *l, const char *task, unsigned soft_ms, unsigned hard_ms);

/* Ask for the start of one: 0 and it may start now; else the milliseconds until it should ask again. One that may wait for up to `hold_ms`
 * where it is has its place kept: after this long it starts without asking. The wait of others is for the end of the line. */
uint64_t limits_take(struct limits *l, const char *task, uint64_t now_ms, uint64_t hold_ms);

/* Put what was set for tasks of this name in the place of their own time limits. */
void limits_time(const struct limits *l, const char *task, unsigned *soft_ms, unsigned *hard_ms);

/* Its rate as it was given, or NULL. */
const char *limits_rate(const struct limits *l, const char *task);

#endif
