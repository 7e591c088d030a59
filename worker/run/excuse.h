/* SPDX-License-Identifier: Apache-2.0 */
/* Does a failed attempt count against its task's limit? A fault of an endpoint never kills a message (I9), and one failure alone does not say whose fault it
 * is. So an attempt that brought nothing whole counts only if the endpoint has served somebody since the one before it failed: then the
 * message may well be to blame. While nobody is served, as in an outage that meets few calls, it is excused, for as long as the
 * patience lasts: a message that breaks its endpoint each time, alone in its queue, comes to an end as well. Once somebody was served,
 * the next failure begins a patience of its own, and what was excused before stays so. Excused attempts are recorded like all others.
 * Pure. Source: none known; the rule is this program's own. */
#ifndef CHARD_WORKER_RUN_EXCUSE_H
#define CHARD_WORKER_RUN_EXCUSE_H

#include "ai/ai.h"
#include "message/message.h"

/* An attempt that has failed. Times are wall clock, in milliseconds. */
struct failed_attempt {
        const struct ai_reply *reply;
        int64_t now_ms;
        uint64_t patience_ms; /* from the first failed attempt on since which nobody was served; 0 = none */
};

/* What is known of the task's failures after this one; `before` is what its message said, beside its retries. */
struct task_failures excuse_add(const struct task_failures *before, unsigned retries, const struct failed_attempt *a);

/* How many of its failures count, of which it has had retries + 1; `after` is what excuse_add returned. Once the patience is over
 * all do. */
unsigned excuse_counted(const struct task_failures *after, unsigned retries, const struct failed_attempt *a);

/* The least milliseconds until the next attempt after one that is excused, of so many: an outage must not be met as often as a task's own back-off may allow. */
uint64_t excuse_wait_ms(unsigned excused);

#endif
