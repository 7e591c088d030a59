/* SPDX-License-Identifier: Apache-2.0 */
/* Where deliveries become runs. */
#include "worker/run.h"

#include "core/log.h"

/* ---- one task, one run ---- */

/* This attempt is running here already. A tag of a lost connection is replaced by the new one; with a live one this is a
 * second copy of the message, which the first stands for. Epochs are told apart within one queue only. */
static void adopt(struct run *running, struct run *newcomer)
{
        struct worker *w = running->worker;
        const bool same_queue = running->delivery->queue == newcomer->delivery->queue;
        if (!same_queue || running->tag.epoch == newcomer->tag.epoch) {
                log_info("worker", "task=%s came twice; the copy is dropped", running->message.id);
                broker_ack(w->broker, newcomer->tag);
        } else {
                log_info("worker", "task=%s was redelivered while it runs here: adopted", running->message.id);
                running->tag = newcomer->tag;
        }
}

/* May the newcomer be what is left of the task once the run has ended? A later attempt is; so is any message that comes while
 * the run is on its way into the store: it may be the scheduled message itself, out again faster than the store's answer. */
static bool must_wait(const struct run *running, const struct run *newcomer)
{
        return newcomer->message.retries > running->message.retries ||
               (newcomer->message.retries == running->message.retries && running->again_message);
}

enum registered intake_register(struct run *run)
{
        struct worker *w = run->worker;
        struct run *running = map_get(w->by_id, run->message.id);
        if (!running) {
                run->in_map = map_put(w->by_id, run->message.id, run) == 0;
                return REGISTERED_FIRST;
        }
        if (must_wait(running, run)) {
                log_debug("worker", "task=%s waits behind its run in hand", run->message.id);
                run->behind = running->behind;
                running->behind = run;
                return REGISTERED_BEHIND;
        }
        if (run->message.retries < running->message.retries)
                broker_ack(w->broker, run->tag); /* an earlier attempt, long superseded */
        else
                adopt(running, run);
        return REGISTERED_AGAIN;
}

void intake_wake(struct run *behind)
{
        for (struct run *run = behind, *next; run; run = next) {
                next = run->behind;
                run->behind = NULL;
                task_message_clear(&run->message);
                run_go(run, STEP_DECODE);
        }
}

/* ---- deliveries ---- */

static void take(struct worker *w, struct delivery *d)
{
        if (w->phase != WORKER_RUNNING) {
                broker_hand_back(w->broker, d->tag);
                delivery_free(d);
                return;
        }
        struct run *run = run_new(w);
        if (!run) {
                log_error("worker", "out of memory: a delivery of %s was handed back", d->queue);
                broker_hand_back(w->broker, d->tag);
                delivery_free(d);
                return;
        }
        run->delivery = d;
        run->tag = d->tag;
        run_go(run, STEP_DECODE);
}

void intake_deliveries(struct delivery *list_takes, void *arg)
{
        for (struct delivery *d = list_takes, *next; d; d = next) {
                next = d->next;
                take((struct worker *)arg, d);
        }
}

void intake_changed(const struct broker_health *now, void *arg)
{
        (void)now;
        struct worker *w = (struct worker *)arg;
        if (w->health)
                health_look(w->health);
}

void intake_adjust(struct worker *w)
{
        const bool want = w->phase == WORKER_RUNNING && w->store->backend->up(w->store);
        if (want == w->consuming)
                return;
        w->consuming = want;
        if (!want) {
                broker_cancel(w->broker);
                return;
        }
        for (size_t i = 0; i < w->config->queue_count; i++)
                if (broker_consume(w->broker, w->config->queues[i], w->config->slots) < 0)
                        log_error("worker", "out of memory: not consuming %s", w->config->queues[i]);
}
