/* SPDX-License-Identifier: Apache-2.0 */
/* Where the loop and the two threads meet. */
#include "broker/amqp/amqp.h"

#include "core/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void amqp_hand_out(struct amqp_broker *b)
{
        if (b->settling) {
                mailbox_put(b->consumer.io.box, &b->settling->mail);
                b->settling = NULL;
                b->settling_capacity = 0;
        }
        if (b->publishing.first) {
                mailbox_put_list(b->publisher.io.box, &b->publishing.first->mail, &b->publishing.last->mail);
                b->publishing = (struct publishing_list){ 0 };
        }
}

static void amqp_loop_drop(struct delivery *list)
{
        while (list) {
                struct delivery *next = list->next;
                delivery_free(list);
                list = next;
        }
}

static void amqp_loop_finished(struct amqp_broker *b, struct publishing_list *list)
{
        struct publishing *p = list->first; /* the one that waited longest */
        const uint64_t now_ms = amqp_now_ms(b);
        if (p)
                door_counts_group(&b->base.counts, now_ms > p->asked_ms ? (now_ms - p->asked_ms) * 1000 : 0);
        while ((p = publishing_list_take(list)))
                amqp_publishing_ended(b, p, p->result);
}

/* What the bus brings; who joined it may have closed the broker meanwhile. */
static void of_bus(const struct amqp_broker *b, struct report *r, bool closing)
{
        const bool hears = !closing && b->watch;
        if (r->kind == REPORT_JOINED && hears)
                b->bus->joined(b->bus->arg);
        if (r->kind == REPORT_HEARD && hears)
                b->bus->heard(r->deliveries, b->bus->arg);
        else
                amqp_loop_drop(r->deliveries);
        r->deliveries = NULL;
}

/* Look at one report, and free it. The listener may close the broker meanwhile: b->watch is NULL then. */
static void look_at(struct amqp_broker *b, struct report *r, bool closing)
{
        if (r->kind == REPORT_CHANGED)
                b->changed = true;
        if (r->kind == REPORT_JOINED || r->kind == REPORT_HEARD)
                of_bus(b, r, closing);
        if (r->kind == REPORT_DEPTH)
                amqp_depth_answered(b, r);
        if (r->finished.first)
                amqp_loop_finished(b, &r->finished);
        if (r->deliveries && (closing || !b->watch || !b->listener.deliveries))
                amqp_loop_drop(r->deliveries);
        else if (r->deliveries)
                b->listener.deliveries(r->deliveries, b->listener.arg);
        free(r);
}

/* Add what the mailbox holds behind what is pending already. */
static void amqp_loop_collect(struct amqp_broker *b)
{
        struct report *more = (struct report *)mailbox_take(b->reports), **end = &b->pending;
        while (*end)
                end = (struct report **)&(*end)->mail.next;
        *end = more;
}

unsigned amqp_take_reports(struct amqp_broker *b, bool closing)
{
        unsigned ended = 0;
        amqp_loop_collect(b);
        while (b->pending) {
                struct report *r = b->pending;
                b->pending = (struct report *)r->mail.next;
                if (r->kind == REPORT_ENDED)
                        ended++;
                else
                        look_at(b, r, closing);
        }
        return ended;
}

static bool amqp_loop_differs(const struct broker_health *a, const struct broker_health *b)
{
        return a->state != b->state || a->connected != b->connected || a->consumers_wanted != b->consumers_wanted ||
               a->consumers_registered != b->consumers_registered || a->publisher_up != b->publisher_up ||
               strcmp(a->why, b->why) != 0;
}

static void tell_changes(struct amqp_broker *b)
{
        struct broker_health now;
        b->changed = false;
        amqp_health(&b->base, &now);
        if (!amqp_loop_differs(&now, &b->told))
                return;
        b->base.counts.losses += b->told.connected && !now.connected;
        b->base.counts.losses += b->told.publisher_up && !now.publisher_up;
        b->told = now;
        if (b->listener.changed)
                b->listener.changed(&now, b->listener.arg);
}

static void on_reports(uv_poll_t *handle, int status, int events)
{
        const struct amqp_watch *w = handle->data;
        struct amqp_broker *b = w->broker;
        (void)status;
        (void)events;
        if (!b)
                return;
        amqp_stay(b); /* a callback may close it */
        amqp_take_reports(b, false);
        if (w->broker && b->changed)
                tell_changes(b);
        amqp_leave(b);
}

static void before_poll(uv_prepare_t *handle)
{
        const struct amqp_watch *w = handle->data;
        if (w->broker)
                amqp_hand_out(w->broker);
}

static void amqp_loop_on_closed(uv_handle_t *handle)
{
        struct amqp_watch *w = handle->data;
        if (--w->open_handles == 0)
                free(w);
}

int amqp_watch(struct amqp_broker *b, uv_loop_t *loop)
{
        struct amqp_watch *w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        const int result = uv_poll_init(loop, &w->reports, mailbox_fd(b->reports));
        if (result) {
                free(w);
                return result;
        }
        uv_prepare_init(loop, &w->turn);
        w->reports.data = w->turn.data = w;
        w->open_handles = 2;
        w->broker = b;
        b->watch = w;
        uv_poll_start(&w->reports, UV_READABLE, on_reports);
        uv_prepare_start(&w->turn, before_poll);
        uv_unref((uv_handle_t *)&w->turn);
        return 0;
}

void amqp_unwatch(struct amqp_broker *b)
{
        struct amqp_watch *w = b->watch;
        if (!w)
                return;
        b->watch = NULL;
        w->broker = NULL;
        uv_close((uv_handle_t *)&w->reports, amqp_loop_on_closed);
        uv_close((uv_handle_t *)&w->turn, amqp_loop_on_closed);
}
