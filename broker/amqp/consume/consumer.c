/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/amqp/consume/consumer.h"

#include "broker/amqp/connection/declare.h"
#include "broker/amqp/connection/frames.h"
#include "core/clock.h"
#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        FIRST_CHANNEL = DECLARE_CHANNEL + 1,
        GOODBYE_MS = 500,
};

/* ---- what came in ---- */

static struct subscription *of_channel(const struct amqp_consumer *c, uint16_t channel)
{
        const size_t at = (size_t)channel - FIRST_CHANNEL;
        return channel >= FIRST_CHANNEL && at < c->count ? c->subscriptions[at] : NULL;
}

static int consumer_delivered(struct amqp_consumer *c, struct subscription *s, struct delivery *d)
{
        const int numbered = s->bus ? 0 : tags_delivered(&s->tags, d->tag.number);
        if (numbered) {
                delivery_free(d);
                return amqp_link_fail(&c->io.link, "unreachable", "a delivery on queue %s: %s", s->queue,
                                      numbered == -EPROTO ? "its tag is out of order" : "out of memory");
        }
        d->queue = s->queue;
        d->tag.epoch = s->epoch;
        d->next = NULL;
        if (s->bus) {
                if (io_thread_report(&c->io, REPORT_HEARD, d, NULL) < 0)
                        delivery_free(d);
                return 0;
        }
        if (c->last)
                c->last->next = d;
        else
                c->first = d;
        c->last = d;
        return 0;
}

static int consumer_content(struct amqp_consumer *c, struct subscription *s, const amqp_frame_t *frame)
{
        struct delivery *d = NULL;
        const int result = content_frame(&s->content, frame, &d);
        amqp_link_release(&c->io.link, frame->channel);
        if (result < 0)
                return amqp_link_fail(&c->io.link, "unreachable", "a delivery on queue %s: %s", s->queue,
                                      strerror(-result));
        return result ? consumer_delivered(c, s, d) : 0;
}

/* The broker took the consumer away: its queue was deleted, its leader is gone, or a message was held for too long (RabbitMQ 4.3). */
static void consumer_cancelled(struct amqp_consumer *c, struct subscription *s)
{
        subscription_lost(
                s, true,
                "the broker cancelled the consumer: its queue was deleted or moved, or a message was held too long");
        c->declare_again = c->topology && !s->bus;
}

static void consumer_channel_closed(struct amqp_consumer *c, struct subscription *s, const amqp_channel_close_t *close)
{
        struct problem why = { .code = "" };
        amqp_link_channel_closed(&c->io.link, s->channel, close, "the broker closed the channel", &why);
        subscription_lost(s, false, why.text);
}

static int consumer_connection_method(struct amqp_consumer *c, const amqp_method_t *method)
{
        return method->id == AMQP_CONNECTION_CLOSE_METHOD ? amqp_link_connection_closed(&c->io.link, method->decoded)
                                                          : 0;
}

static int consumer_method(struct amqp_consumer *c, struct subscription *s, const amqp_frame_t *frame)
{
        const amqp_method_t *m = &frame->payload.method;
        switch (m->id) {
        case AMQP_BASIC_DELIVER_METHOD: content_start(&s->content, m->decoded); return 0;
        case AMQP_BASIC_CANCEL_METHOD: consumer_cancelled(c, s); break;
        case AMQP_CHANNEL_CLOSE_METHOD: consumer_channel_closed(c, s, m->decoded); break;
        default: break;
        }
        content_clear(&s->content); /* what was begun is over, and its method is rabbitmq-c's memory */
        amqp_link_release(&c->io.link, frame->channel);
        return 0;
}

int consumer_frame(const amqp_frame_t *frame, void *consumer)
{
        struct amqp_consumer *c = consumer;
        if (frame->channel == 0)
                return frame->frame_type == AMQP_FRAME_METHOD ? consumer_connection_method(c, &frame->payload.method)
                                                              : 0;
        struct subscription *s = of_channel(c, frame->channel);
        if (!s || !s->open)
                return 0;
        return frame->frame_type == AMQP_FRAME_METHOD ? consumer_method(c, s, frame) : consumer_content(c, s, frame);
}

static int consumer_read_frames(struct amqp_consumer *c)
{
        amqp_frame_t frame;
        int result;
        while ((result = amqp_link_read(&c->io.link, &frame)) == 1) {
                result = consumer_frame(&frame, c);
                if (result < 0)
                        break;
        }
        atomic_store(&c->io.received_ms, c->io.link.received_ms);
        return result;
}

static void free_deliveries(struct delivery *list)
{
        while (list) {
                struct delivery *next = list->next;
                delivery_free(list);
                list = next;
        }
}

/* One report a wake-up. When memory runs out they stay for the next one. */
static void consumer_hand_over(struct amqp_consumer *c)
{
        if (c->first && io_thread_report(&c->io, REPORT_DELIVERIES, c->first, NULL) == 0)
                c->first = c->last = NULL;
}

/* ---- what the loop asks ---- */

static struct subscription *of_queue(const struct amqp_consumer *c, const char *queue)
{
        for (size_t i = 0; i < c->count; i++)
                if (strcmp(c->subscriptions[i]->queue, queue) == 0)
                        return c->subscriptions[i];
        return NULL;
}

static struct subscription *add_subscription(struct amqp_consumer *c, const char *queue)
{
        struct subscription **larger = realloc(c->subscriptions, (c->count + 1) * sizeof(*larger));
        struct subscription *s = larger ? calloc(1, sizeof(*s)) : NULL;
        if (larger)
                c->subscriptions = larger;
        if (!s)
                return NULL;
        s->queue = queue;
        s->channel = (uint16_t)(FIRST_CHANNEL + c->count);
        c->subscriptions[c->count++] = s;
        return s;
}

static struct subscription *consumer_consume(struct amqp_consumer *c, const struct order *o)
{
        struct subscription *s = of_queue(c, o->queue);
        if (!s)
                s = add_subscription(c, o->queue);
        if (!s)
                return NULL; /* the probe will show it: wanted, not registered */
        s->prefetch = o->prefetch > UINT16_MAX ? UINT16_MAX : o->prefetch;
        if (s->prefetch == 0)
                s->prefetch = 1; /* on the wire, 0 would be no limit */
        s->wanted = true;
        s->retry_at_ms = 0;
        s->failures = 0;
        return s;
}

static void consumer_cancel(struct amqp_consumer *c)
{
        for (size_t i = 0; i < c->count; i++)
                if (!c->subscriptions[i]->bus)
                        c->subscriptions[i]->wanted = false;
}

static void consumer_join(struct amqp_consumer *c, const struct order *o)
{
        struct subscription *s = consumer_consume(c, o);
        if (s)
                s->bus = o->bus;
}

static void consumer_obey(struct amqp_consumer *c, struct order *o)
{
        switch (o->kind) {
        case ORDER_CONSUME:
                c->wish = o->wish;
                consumer_consume(c, o);
                break;
        case ORDER_CANCEL:
                c->wish = o->wish;
                consumer_cancel(c);
                break;
        case ORDER_JOIN: consumer_join(c, o); break;
        case ORDER_REDECLARE:
                c->topology = o->topology;
                c->declare_again = true;
                break;
        case ORDER_SETTLE: consumer_settle(c, o); break;
        case ORDER_DEPTH: break; /* asks the broker at once: see take_orders */
        case ORDER_STOP: c->stopping = true; break;
        }
}

/* Returns 0, or -1 when one of them found the connection lost. */
static int consumer_take_orders(struct amqp_consumer *c)
{
        struct mail *mail = mailbox_take(c->io.box);
        bool sound = amqp_link_up(&c->io.link);
        int result = 0;
        while (mail) {
                struct order *o = (struct order *)mail;
                mail = mail->next;
                if (o->kind == ORDER_DEPTH && consumer_depth(c, o, sound) < 0) {
                        sound = false;
                        result = -1;
                }
                consumer_obey(c, o);
                free(o);
        }
        return result;
}

/* ---- the thread ---- */

static void consumer_show(struct amqp_consumer *c)
{
        struct io_status now = { .up = amqp_link_up(&c->io.link), .wish = c->wish };
        /* What came while a consumer was being cancelled is told first: whoever hears that it is cancelled expects nothing more. */
        if (now.up && amqp_frames_enqueued(c->io.link.conn))
                return;
        for (size_t i = 0; i < c->count; i++) {
                const struct subscription *s = c->subscriptions[i];
                if (s->bus)
                        continue;
                now.registered += s->registered;
                if (now.up && s->wanted && !s->registered && !now.why[0])
                        snprintf(now.why, sizeof(now.why), "queue %.40s: %.110s", s->queue, s->why);
        }
        if (!now.up)
                snprintf(now.why, sizeof(now.why), "%.159s", c->io.link.why.text);
        io_thread_set_status(&c->io, &now);
}

static void consumer_lost(struct amqp_consumer *c)
{
        io_thread_tell_away(&c->io);
        for (size_t i = 0; i < c->count; i++) {
                subscription_ended(c->subscriptions[i], false, "not connected");
                c->subscriptions[i]->retry_at_ms = 0;
        }
        io_thread_lost(&c->io);
}

static void consumer_turn(struct amqp_consumer *c)
{
        amqp_link_wait(&c->io.link, mailbox_fd(c->io.box), consumer_mend_due(c));
        int result = consumer_take_orders(c);
        if (result == 0)
                result = consumer_read_frames(c);
        consumer_hand_over(c);
        if (result == 0)
                result = consumer_mend(c);
        if (result == 0)
                result = amqp_link_flush(&c->io.link);
        if (result < 0)
                consumer_lost(c);
        consumer_show(c);
}

int consumer_connect(struct amqp_consumer *c, unsigned timeout_ms, struct problem *why)
{
        struct amqp_link *l = &c->io.link;
        int result = io_thread_connect(&c->io, timeout_ms);
        if (result) {
                *why = l->why;
                return 1;
        }
        result = c->topology ? topology_declare(l, c->topology, consumer_frame, c, why) : 0;
        if (result < 0)
                *why = l->why;
        if (result) {
                l->why = *why;
                amqp_link_drop(l);
                return 1;
        }
        return 0;
}

static void consumer_revive(struct amqp_consumer *c)
{
        struct problem why = { .code = "" };
        io_thread_pause(&c->io);
        (void)consumer_take_orders(c); /* there is no connection to be lost */
        if (c->stopping || clock_mono_ms() < c->io.retry_at_ms)
                return;
        if (consumer_connect(c, c->io.link.config->connect_timeout_ms, &why) != 0) {
                io_thread_tell_away(&c->io);
                io_thread_failed(&c->io);
        } else {
                io_thread_tell_up(&c->io);
        }
        consumer_show(c);
}

void *consumer_main(void *consumer)
{
        struct amqp_consumer *c = consumer;
        pthread_setname_np(pthread_self(), "chard-consume");
        consumer_show(c);
        while (!c->stopping) {
                if (amqp_link_up(&c->io.link))
                        consumer_turn(c);
                else
                        consumer_revive(c);
        }
        amqp_link_close(&c->io.link, GOODBYE_MS);
        io_thread_end(&c->io);
        return NULL;
}

void consumer_free(struct amqp_consumer *c)
{
        for (size_t i = 0; i < c->count; i++) {
                content_clear(&c->subscriptions[i]->content);
                tags_clear(&c->subscriptions[i]->tags);
                free(c->subscriptions[i]);
        }
        free(c->subscriptions);
        free_deliveries(c->first);
        struct mail *mail = c->io.box ? mailbox_take(c->io.box) : NULL;
        while (mail) {
                struct mail *next = mail->next;
                free(mail); /* an order's first member */
                mail = next;
        }
        io_thread_free(&c->io);
}
