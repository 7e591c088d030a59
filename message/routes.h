/* SPDX-License-Identifier: Apache-2.0 */
/* Where tasks go that their signature names no queue for, as a Celery app's task_routes and its default queue say it. Pure.
 *
 *     TASK=QUEUE; …
 *
 * A task may end in '*'. The first rule that fits counts. */
#ifndef CHARD_MESSAGE_ROUTES_H
#define CHARD_MESSAGE_ROUTES_H

#include "core/problem.h"

#include <stddef.h>

enum { ROUTES_MOST = 256 };

struct task_routes {
        struct task_route {
                const char *task, *queue;
        } rules[ROUTES_MOST];
        size_t count;
        const char *otherwise; /* queue of tasks that nobody knows and no rule fits; or NULL */
        char *memory;
};

/* Read the two settings; each may be empty or NULL. `otherwise` is borrowed. Returns 0; 1 with `why` (source "settings", code
 * "bad_setting"); or -ENOMEM. Freed with task_routes_free, in each case. */
int task_routes_read(struct task_routes *out, const char *text, const char *otherwise, struct problem *why);
void task_routes_free(struct task_routes *r);

/* The queue of the first rule that fits, or NULL. `r` may be NULL. */
const char *task_routes_find(const struct task_routes *r, const char *task);

#endif
