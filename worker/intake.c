/* SPDX-License-Identifier: Apache-2.0 */
/* Where deliveries become runs. */
#include "worker/run/run.h"

#include "core/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- one task, one run ---- */

/* Was it brought back from another death than the run was, or the run from none? Its retries are counted anew then. */
static bool is_of_another_life(const struct run *running, const struct run *newcomer)
{
        const char *before = running->message.revived, *now = newcomer->message.revived;
        return now && (!before || strcmp(before, now) != 0);
}

/* May the newcomer be what is left of the task once the run has ended? A later attempt is, and a dead letter that was requeued while the
 * run that died still tells its result; so is any message that comes while the run is on its way into the store: it may be the
 * scheduled message itself, out again faster than the store's answer. Waiting is always safe: it claims afterwards. */
static bool must_wait(const struct run *running, const struct run *newcomer)
{
        if (is_of_another_life(running, newcomer))
                return true;
        if (newcomer->message.nesting != running->message.nesting)
                return newcomer->message.nesting > running->message.nesting; /* what replaced it */
        return newcomer->message.retries > running->message.retries ||
               (newcomer->message.retries == running->message.retries && run_is_put_away(running));
}

enum registered intake_register(struct run *run)
{
        struct worker *w = run->worker;
        struct run *running = map_get(w->by_id, run->message.id);
        if (!running) {
                run->entry.in_map = map_put(w->by_id, run->message.id, run) == 0;
                return REGISTERED_FIRST;
        }
        if (must_wait(running, run)) {
                log_debug("worker", "task=%s waits behind its run in hand", run->message.id);
                run->entry.behind = running->entry.behind;
                running->entry.behind = run;
                return REGISTERED_BEHIND;
        }
        if (run->message.nesting < running->message.nesting || run->message.retries < running->message.retries)
                run_settle(run); /* an earlier attempt, long superseded */
        else
                run_adopt(running, run);
        return REGISTERED_AGAIN;
}

struct run *intake_unregister(struct run *run)
{
        if (run->entry.in_map)
                map_take(run->worker->by_id, run->message.id);
        return run->entry.behind;
}

void intake_wake(struct run *behind)
{
        for (struct run *run = behind, *next; run; run = next) {
                next = run->entry.behind;
                run->entry.behind = NULL;
                run_forget_message(run);
                run_go(run, STEP_DECODE);
        }
}

/* ---- deliveries ---- */

/* It came while the worker stops: somebody else is to have it. */
static enum step pass_on(struct run *run)
{
        struct problem ignored = { 0 }; /* whoever gets it finds the same */
        (void)run_decode(run, &ignored);
        return STEP_HAND_BACK;
}

static void intake_take(struct worker *w, struct delivery *d)
{
        struct run *run = run_new(w);
        if (!run) {
                log_error("worker", "out of memory: a delivery of %s was handed back", d->queue);
                broker_hand_back(w->broker, d->tag);
                delivery_free(d);
                return;
        }
        run_take_delivery(run, d);
        run_go(run, w->phase == WORKER_RUNNING ? STEP_DECODE : pass_on(run));
}

void intake_deliveries(struct delivery *list_takes, void *arg)
{
        for (struct delivery *d = list_takes, *next; d; d = next) {
                next = d->next;
                intake_take((struct worker *)arg, d);
        }
}

void intake_changed(const struct broker_health *now, void *arg)
{
        (void)now;
        struct worker *w = (struct worker *)arg;
        if (w->pulse)
                pulse_look(w->pulse);
        if (w->phase != WORKER_RUNNING)
                shutdown_adjust(w); /* it may have waited for the last deliveries */
}

static void consume_all(struct worker *w)
{
        for (size_t i = 0; i < w->queue_count; i++)
                if (broker_consume(w->broker, w->queues[i], w->slots) < 0)
                        log_error("worker", "out of memory: not consuming %s", w->queues[i]);
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
        consume_all(w);
}

void intake_again(struct worker *w)
{
        if (w->consuming)
                consume_all(w);
}

/* ---- which queues ---- */

/* The broker borrows the names until it is closed. */
struct queue_name {
        struct queue_name *next;
        char text[];
};

static const char *keep_name(struct worker *w, const char *name)
{
        const size_t size = strlen(name) + 1;
        for (const struct queue_name *n = w->names; n; n = n->next)
                if (strcmp(n->text, name) == 0)
                        return n->text;
        struct queue_name *made = malloc(sizeof(*made) + size);
        if (!made)
                return NULL;
        memcpy(made->text, name, size);
        made->next = w->names;
        w->names = made;
        return made->text;
}

static int put_queue(struct worker *w, const char *queue)
{
        const char *name = keep_name(w, queue);
        const char **larger = realloc(w->queues, (w->queue_count + 1) * sizeof(*larger));
        if (larger)
                w->queues = larger;
        if (!larger || !name)
                return -ENOMEM;
        w->queues[w->queue_count++] = name;
        return 0;
}

int intake_add_queue(struct worker *w, const char *queue)
{
        const int code = put_queue(w, queue);
        if (code == 0 && w->consuming && broker_consume(w->broker, w->queues[w->queue_count - 1], w->slots) < 0)
                return -ENOMEM;
        return code;
}

void intake_drop_queue(struct worker *w, const char *queue)
{
        size_t kept = 0;
        for (size_t i = 0; i < w->queue_count; i++)
                if (strcmp(w->queues[i], queue) != 0)
                        w->queues[kept++] = w->queues[i];
        w->queue_count = kept;
        if (!w->consuming)
                return;
        broker_cancel(w->broker); /* takes all away … */
        consume_all(w);           /* … and the others stay as they were */
}

int intake_open(struct worker *w)
{
        int code = 0;
        w->slots = w->config->slots;
        for (size_t i = 0; i < w->config->queue_count && code == 0; i++)
                code = put_queue(w, w->config->queues[i]);
        return code;
}

void intake_close(struct worker *w)
{
        for (struct queue_name *n = w->names, *next; n; n = next) {
                next = n->next;
                free(n);
        }
        free(w->queues);
}
