/* SPDX-License-Identifier: Apache-2.0 */
/* The door's calls, on the loop thread. */
#include "broker/embedded/embedded.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What prefetch 0 stands for: no limit. */
enum { UNLIMITED = 1 << 20 };

static struct embedded_consumer *embedded_backend_find(const struct embedded *b, const char *queue)
{
        for (size_t i = 0; i < b->consumer_count; i++)
                if (strcmp(b->consumers[i]->queue, queue) == 0)
                        return b->consumers[i];
        return NULL;
}

static struct embedded_consumer *embedded_backend_add(struct embedded *b, const char *queue)
{
        if (b->consumer_count == b->consumer_capacity) {
                const size_t capacity = b->consumer_capacity ? 2 * b->consumer_capacity : 8;
                struct embedded_consumer **larger =
                        realloc(b->consumers, capacity * sizeof(struct embedded_consumer *));
                if (!larger)
                        return NULL;
                b->consumers = larger;
                b->consumer_capacity = capacity;
        }
        struct embedded_consumer *c = calloc(1, sizeof(*c));
        if (!c)
                return NULL;
        c->queue = queue;
        b->consumers[b->consumer_count++] = c;
        return c;
}

static int embedded_backend_consume(struct broker *broker, const char *queue, unsigned prefetch)
{
        struct embedded *b = (struct embedded *)broker;
        struct embedded_consumer *c = embedded_backend_find(b, queue);
        if (!c && !(c = embedded_backend_add(b, queue)))
                return -ENOMEM;
        c->prefetch = prefetch ? prefetch : UNLIMITED;
        c->wanted = c->more = true;
        embedded_turn(b);
        return 0;
}

static void embedded_backend_cancel(struct broker *broker)
{
        struct embedded *b = (struct embedded *)broker;
        for (size_t i = 0; i < b->consumer_count; i++)
                b->consumers[i]->wanted = b->consumers[i]->registered = false;
        embedded_turn(b);
}

void embedded_health(const struct broker *broker, struct broker_health *out)
{
        const struct embedded *b = (const struct embedded *)broker;
        const char *missing = NULL;
        *out = (struct broker_health){
                .state = BROKER_UP, .connected = true, .publisher_up = true, .unconfirmed = b->open_publishes
        };
        for (size_t i = 0; i < b->consumer_count; i++) {
                const struct embedded_consumer *c = b->consumers[i];
                out->consumers_wanted += c->wanted;
                out->consumers_registered += c->wanted && c->registered;
                if (c->wanted && c->missing)
                        missing = c->queue;
        }
        if (b->blocked) {
                out->state = BROKER_BLOCKED;
                snprintf(out->why, sizeof(out->why), "%s", b->blocked_why);
        } else if (out->consumers_registered < out->consumers_wanted) {
                out->state = BROKER_DOWN;
                snprintf(out->why, sizeof(out->why),
                         missing ? "there is no queue %.100s" : "consumers are being registered", missing);
        }
}

static const char *const SCHEMES[] = { "embedded", NULL };

const struct broker_backend embedded_backend = {
        .schemes = SCHEMES,
        .open = embedded_open,
        .consume = embedded_backend_consume,
        .cancel = embedded_backend_cancel,
        .publish = embedded_publish,
        .ack = embedded_ack,
        .hand_back = embedded_hand_back,
        .health = embedded_health,
        .depth = embedded_depth,
        .close = embedded_close,
};
