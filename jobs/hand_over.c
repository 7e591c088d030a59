/* SPDX-License-Identifier: Apache-2.0 */
/* A message on its way to safety: to the broker, whose confirm is the answer; or, where that is away or takes its time and jobs_outlast was called, to the store's scheduled
 * messages as well. The first of the two to have it answers. Both may: the message has its ids, and what runs under an id that has run is harmless. */
#include "core/clock.h"
#include "jobs/own.h"
#include "store/schedule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct ticket {
        struct ticket *next, *before; /* of those whose confirm is waited for, the oldest first */
        struct outlast *outlast;      /* NULL: no store, or the jobs were closed */
        jobs_submitted *done;         /* NULL once it was called */
        void *arg;
        struct message *kept;       /* for the store, or NULL */
        struct scheduled scheduled; /* … as it is asked to keep it */
        uint64_t since_ms;
        unsigned open; /* answers that are still to come */
        bool listed;
        char id[JOBS_ID_SIZE];
};

struct outlast {
        struct store *store;
        unsigned after_ms;
        uv_timer_t timer;
        struct ticket *first, *last;
};

static void hand_over_why(enum publish_result result, struct problem *why)
{
        static const struct {
                const char *code, *text;
        } words[] = {
                [PUBLISH_RETURNED] = { "returned", "no queue takes it; run: chard topology apply" },
                [PUBLISH_REFUSED] = { "refused", "the broker refused it; run: chard topology apply" },
                [PUBLISH_CLOSED] = { "closed", "the connection ended before it was confirmed: it may or may not have "
                                               "been submitted" },
        };
        problem_set(why, "broker", words[result].code, "%s", words[result].text);
}

static void ticket_unlist(struct ticket *t)
{
        struct outlast *o = t->outlast;
        if (!t->listed)
                return;
        t->listed = false;
        *(t->before ? &t->before->next : &o->first) = t->next;
        *(t->next ? &t->next->before : &o->last) = t->before;
}

static void ticket_list(struct ticket *t)
{
        struct outlast *o = t->outlast;
        t->listed = true;
        t->before = o->last;
        *(o->last ? &o->last->next : &o->first) = t;
        o->last = t;
}

/* One of its answers has come. */
static void ticket_answer(struct ticket *t, const struct problem *why, bool counts)
{
        jobs_submitted *done = t->done;
        t->open--;
        if (done && (counts || t->open == 0)) {
                t->done = NULL;
                done(t->id, why, t->arg);
        }
        if (t->open)
                return;
        message_free(t->kept);
        free(t);
}

/* ---- the store ---- */

static void on_kept(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct ticket *t = (struct ticket *)arg;
        struct problem own;
        (void)stored;
        if (result != STORE_DONE && !why) {
                problem_set(&own, "store", "closed",
                            "the store was closed before it answered: it may or may not have "
                            "been submitted");
                why = &own;
        }
        ticket_answer(t, result == STORE_DONE ? NULL : why, result == STORE_DONE);
}

static void ticket_keep(struct ticket *t)
{
        t->scheduled = (struct scheduled){
                .message = t->kept,
                .due_ms = clock_wall_ms(),
                .reason = "enqueue",
                .task_id = t->id,
        };
        struct store *store = t->outlast->store;
        ticket_unlist(t);
        t->open++;
        store->schedule->add(store, &t->scheduled, on_kept, t);
}

static void on_outlast_timer(uv_timer_t *timer)
{
        struct outlast *o = (struct outlast *)timer->data;
        const uint64_t now_ms = clock_mono_ms();
        while (o->first && o->first->since_ms + o->after_ms <= now_ms)
                ticket_keep(o->first);
        if (o->first)
                uv_timer_start(timer, on_outlast_timer, o->first->since_ms + o->after_ms - now_ms, 0);
}

/* ---- the broker ---- */

static void on_handed_over(enum publish_result result, void *arg)
{
        struct ticket *t = (struct ticket *)arg;
        struct problem why;
        ticket_unlist(t);
        if (result != PUBLISH_CONFIRMED)
                hand_over_why(result, &why);
        /* what no queue takes is refused at once, unless the store was asked too: it may have it already, and then it runs */
        ticket_answer(t, result == PUBLISH_CONFIRMED ? NULL : &why,
                      result == PUBLISH_CONFIRMED || (result != PUBLISH_CLOSED && t->open == 1));
}

bool hand_over_broker_takes(const struct broker *b)
{
        struct broker_health health;
        broker_health(b, &health);
        return broker_health_takes(&health);
}

/* Publish it, and keep a copy for the store, should the confirm be long in coming. */
static int ticket_publish(struct jobs *j, struct ticket *t, struct message *takes)
{
        if (t->outlast) {
                t->kept = message_new(takes->exchange, takes->routing_key, takes->properties, takes->body);
                if (!t->kept) {
                        message_free(takes);
                        free(t);
                        return -ENOMEM;
                }
                ticket_list(t);
                if (!uv_is_active((uv_handle_t *)&t->outlast->timer))
                        uv_timer_start(&t->outlast->timer, on_outlast_timer, t->outlast->after_ms, 0);
        }
        t->open++;
        broker_publish(j->broker, takes, on_handed_over, t);
        return 0;
}

int hand_over(struct jobs *j, struct message *takes, const char *id, jobs_submitted *done, void *arg,
              struct problem *why)
{
        const bool publishes = !j->outlast || hand_over_broker_takes(j->broker);
        if (!publishes && !j->store->backend->up(j->store)) {
                message_free(takes);
                return problem_set(why, "store", "away", "broker and store are both away; nothing was kept: ask again");
        }
        struct ticket *t = calloc(1, sizeof(*t));
        if (!t) {
                message_free(takes);
                return -ENOMEM;
        }
        t->outlast = j->outlast;
        t->done = done;
        t->arg = arg;
        t->since_ms = clock_mono_ms();
        snprintf(t->id, sizeof(t->id), "%s", id);
        if (publishes)
                return ticket_publish(j, t, takes);
        t->kept = takes;
        ticket_keep(t);
        return 0;
}

/* ---- opening and closing ---- */

int jobs_outlast(struct jobs *j, unsigned after_ms)
{
        struct outlast *o = calloc(1, sizeof(*o));
        if (!o)
                return -ENOMEM;
        o->store = j->store;
        o->after_ms = after_ms;
        uv_timer_init(j->loop, &o->timer);
        o->timer.data = o;
        j->outlast = o;
        return 0;
}

static void on_outlast_closed(uv_handle_t *handle)
{
        free(handle->data);
}

void outlast_close(struct outlast *o)
{
        while (o->first) {
                struct ticket *t = o->first;
                ticket_unlist(t);
                t->outlast = NULL;
        }
        uv_close((uv_handle_t *)&o->timer, on_outlast_closed);
}
