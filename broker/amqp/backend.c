/* SPDX-License-Identifier: Apache-2.0 */
/* The door's calls, on the loop thread: they note what is wanted; amqp_hand_out passes it on. */
#include "broker/amqp/amqp.h"

#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SETTLING_FIRST = 64, TRANSIENT_MOST = 1024 };

static struct amqp_broker *amqp_backend_of(struct broker *b)
{
        return (struct amqp_broker *)b; /* its first member */
}

/* ---- consuming ---- */

static int send_order(struct amqp_broker *b, const struct order *order)
{
        struct order *o = calloc(1, sizeof(*o));
        if (!o)
                return -ENOMEM;
        *o = *order;
        mailbox_put(b->consumer.io.box, &o->mail);
        return 0;
}

/* Note the queue; returns 0 or -ENOMEM. */
static int amqp_backend_want(struct amqp_broker *b, const char *queue)
{
        for (size_t i = 0; i < b->wanted; i++)
                if (strcmp(b->queues[i], queue) == 0)
                        return 0;
        if (b->wanted == b->queue_capacity) {
                const size_t capacity = b->queue_capacity ? 2 * b->queue_capacity : 8;
                const char **larger = realloc(b->queues, capacity * sizeof(*larger));
                if (!larger)
                        return -ENOMEM;
                b->queues = larger;
                b->queue_capacity = capacity;
        }
        b->queues[b->wanted++] = queue;
        return 0;
}

static int amqp_backend_consume(struct broker *broker, const char *queue, unsigned prefetch)
{
        struct amqp_broker *b = amqp_backend_of(broker);
        const int result = amqp_backend_want(b, queue);
        return result ? result
                      : send_order(b, &(struct order){ .kind = ORDER_CONSUME,
                                                       .wish = ++b->wish,
                                                       .queue = queue,
                                                       .prefetch = prefetch });
}

static void amqp_backend_cancel(struct broker *broker)
{
        struct amqp_broker *b = amqp_backend_of(broker);
        b->wanted = 0;
        send_order(b, &(struct order){ .kind = ORDER_CANCEL, .wish = ++b->wish });
}

static int amqp_backend_join(struct broker *b, const struct broker_bus *bus)
{
        amqp_backend_of(b)->bus = bus;
        return send_order(amqp_backend_of(b),
                          &(struct order){ .kind = ORDER_JOIN, .queue = bus->queue, .prefetch = 1, .bus = bus });
}

static int amqp_backend_redeclare(struct broker *b, const struct topology *topology)
{
        return send_order(amqp_backend_of(b), &(struct order){ .kind = ORDER_REDECLARE, .topology = topology });
}

/* ---- settling ---- */

/* Room for one more in this turn's batch, or NULL. */
static struct settlement *amqp_backend_next_settlement(struct amqp_broker *b)
{
        struct order *o = b->settling;
        if (!o || o->count == b->settling_capacity) {
                const size_t capacity = o ? 2 * b->settling_capacity : SETTLING_FIRST;
                struct order *larger = realloc(o, sizeof(*o) + capacity * sizeof(o->settlements[0]));
                if (!larger)
                        return NULL;
                if (!o)
                        *larger = (struct order){ .kind = ORDER_SETTLE };
                b->settling = o = larger;
                b->settling_capacity = capacity;
        }
        return &o->settlements[o->count++];
}

/* Out of memory costs a redelivery, not the message: what is not acked comes again. */
static void amqp_backend_settle(struct broker *broker, struct delivery_tag tag, bool ack)
{
        struct settlement *s = amqp_backend_next_settlement(amqp_backend_of(broker));
        if (s)
                *s = (struct settlement){ .tag = tag, .ack = ack };
}

static void amqp_backend_ack(struct broker *b, struct delivery_tag tag)
{
        amqp_backend_settle(b, tag, true);
}

static void hand_back(struct broker *b, struct delivery_tag tag)
{
        amqp_backend_settle(b, tag, false);
}

/* ---- publishing ---- */

static struct publishing *publishing_new(struct amqp_broker *b)
{
        struct publishing *p = b->spare;
        if (p)
                b->spare = p->later;
        else
                p = malloc(sizeof(*p));
        return p;
}

/* Give it to the publisher at the end of this turn of the loop. */
static void amqp_backend_add(struct amqp_broker *b, struct publishing *p, struct publishing init)
{
        *p = init;
        p->earlier = b->open_publishings;
        if (b->open_publishings)
                b->open_publishings->later = p;
        b->open_publishings = p;
        b->open_count++;
        publishing_list_add(&b->publishing, p);
}

static void amqp_backend_publish(struct broker *broker, struct message *takes, publish_done *done, void *arg)
{
        struct amqp_broker *b = amqp_backend_of(broker);
        struct publishing *p = publishing_new(b);
        if (p) {
                amqp_backend_add(
                        b, p,
                        (struct publishing){ .message = takes, .done = done, .arg = arg, .asked_ms = amqp_now_ms(b) });
                return;
        }
        message_free(takes);
        done(PUBLISH_REFUSED, arg);
}

static void amqp_backend_publish_transient(struct broker *broker, struct message *takes)
{
        struct amqp_broker *b = amqp_backend_of(broker);
        struct publishing *p = b->transient_count < TRANSIENT_MOST ? publishing_new(b) : NULL;
        if (!p) {
                message_free(takes);
                return;
        }
        b->transient_count++;
        amqp_backend_add(b, p, (struct publishing){ .message = takes, .transient = true, .asked_ms = amqp_now_ms(b) });
}

void amqp_publishing_ended(struct amqp_broker *b, struct publishing *p, enum publish_result result)
{
        publish_done *done = p->done;
        void *arg = p->arg;
        if (p->later)
                p->later->earlier = p->earlier;
        else
                b->open_publishings = p->earlier;
        if (p->earlier)
                p->earlier->later = p->later;
        b->open_count--;
        b->transient_count -= p->transient;
        door_counts_calls(&b->base.counts, 1, !p->transient && result != PUBLISH_CONFIRMED);
        message_free(p->message);
        p->later = b->spare;
        b->spare = p;
        if (done)
                done(result, arg);
}

/* ---- the probe ---- */

static void say_why(struct broker_health *h, const char *why, const char *otherwise)
{
        snprintf(h->why, sizeof(h->why), "%s", why[0] ? why : otherwise);
}

void amqp_health(const struct broker *broker, struct broker_health *out)
{
        struct amqp_broker *b = (struct amqp_broker *)(uintptr_t)broker;
        struct io_status consuming, publishing;
        io_thread_status_of(&b->consumer.io, &consuming);
        io_thread_status_of(&b->publisher.io, &publishing);
        const uint64_t now = clock_mono_ms(), received = atomic_load(&b->consumer.io.received_ms);
        *out = (struct broker_health){ .state = BROKER_DOWN,
                                       .connected = consuming.up,
                                       .consumers_wanted = b->wanted,
                                       .consumers_registered =
                                               consuming.wish == b->wish || b->wanted == 0 ? consuming.registered : 0,
                                       .publisher_up = publishing.up,
                                       .last_frame_ms = now > received ? now - received : 0,
                                       .unconfirmed = b->open_count - b->transient_count };
        if (!consuming.up)
                say_why(out, consuming.why, "not connected");
        else if (out->consumers_registered < out->consumers_wanted)
                say_why(out, consuming.why, "consumers are being registered");
        else if (!publishing.up)
                say_why(out, publishing.why, "the publishing connection is being opened");
        else
                out->state = publishing.blocked ? BROKER_BLOCKED : BROKER_UP;
        if (out->state == BROKER_BLOCKED)
                say_why(out, publishing.why, "blocked");
}

static const char *const SCHEMES[] = { "amqp", "amqps", NULL };

const struct broker_backend amqp_backend = {
        .schemes = SCHEMES,
        .open = amqp_broker_open,
        .consume = amqp_backend_consume,
        .cancel = amqp_backend_cancel,
        .publish = amqp_backend_publish,
        .ack = amqp_backend_ack,
        .hand_back = hand_back,
        .health = amqp_health,
        .depth = amqp_depth,
        .join = amqp_backend_join,
        .publish_transient = amqp_backend_publish_transient,
        .redeclare = amqp_backend_redeclare,
        .close = amqp_broker_close,
};
