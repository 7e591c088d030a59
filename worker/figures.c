/* SPDX-License-Identifier: Apache-2.0 */
/* What the worker says of itself to those who watch it. */
#include "worker/run/run.h"

#include <string.h>

struct store *worker_store(const struct worker *w)
{
        return w->store;
}

struct broker *worker_broker(const struct worker *w)
{
        return w->broker;
}

const struct ai *worker_ai(const struct worker *w)
{
        return w->ai;
}

bool worker_ready(const struct worker *w, const char **why)
{
        return pulse_ready(w->pulse, why);
}

/* ---- queues ---- */

/* Those in hand, and the one among them that was taken last. */
static const struct run *worker_count_queue(const struct worker *w, const char *queue, size_t *count)
{
        const struct run *last = NULL;
        *count = 0;
        for (const struct run *run = w->runs.next; run != &w->runs; run = run->next) {
                if (!run_delivery(run) || strcmp(run_queue(run), queue) != 0)
                        continue;
                last = run;
                ++*count;
        }
        return last;
}

void worker_tell_queues(const struct worker *w, worker_queue_tell *tell, void *arg)
{
        for (size_t i = 0; i < w->queue_count; i++) {
                struct worker_queue q = { .name = w->queues[i], .slots = w->consuming ? w->slots : 0 };
                const struct run *last = worker_count_queue(w, q.name, &q.in_hand);
                q.taken_ms = last ? run_queued_ms(last) : 0;
                tell(&q, arg);
        }
}
