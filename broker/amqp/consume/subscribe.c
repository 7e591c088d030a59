/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/amqp/consume/consumer.h"

#include "broker/amqp/connection/declare.h"
#include "core/backoff.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/log.h"

#include <stdio.h>
#include <string.h>

enum { RETRY_BASE_MS = 200, RETRY_CAP_MS = 10000, LASTED_MS = 10000 };

void subscription_ended(struct subscription *s, bool open, const char *why)
{
        s->registered = false;
        s->open = open;
        if (!open) {
                content_clear(&s->content);
                tags_clear(&s->tags);
        }
        snprintf(s->why, sizeof(s->why), "%.119s", why);
}

void subscription_lost(struct subscription *s, bool open, const char *why)
{
        const uint64_t now_ms = clock_mono_ms();
        if (!s->told)
                log_warn("broker", "queue=%s not consuming: %s", s->queue, why);
        s->told = true;
        if (s->registered && now_ms - s->registered_ms >= LASTED_MS)
                s->failures = 0;
        subscription_ended(s, open, why);
        s->retry_at_ms = now_ms + backoff_ms(RETRY_BASE_MS, RETRY_CAP_MS, s->failures++, random_bits());
}

/* The broker closed the channel over what we asked. */
static void consumer_subscribe_refused(struct amqp_consumer *c, struct subscription *s, const struct problem *why)
{
        subscription_lost(s, false, why->text);
        c->declare_again = c->topology && !s->bus;
}

static int open_channel(struct amqp_consumer *c, struct subscription *s, struct problem *why)
{
        struct amqp_link *l = &c->io.link;
        if (s->open)
                return 0;
        amqp_channel_open(l->conn, s->channel);
        const int result = amqp_link_result(l, s->channel, "opening a channel", why);
        if (result == 0) {
                s->open = true;
                s->epoch = ++c->epoch;
        }
        return result;
}

/* RabbitMQ 3.10 ends the connection with an internal error when a quorum queue's consumer that was cancelled with
 * messages unacked comes back on the same channel under the same tag. */
static void name_consumer(struct amqp_consumer *c, struct subscription *s)
{
        const char *name = c->io.link.config->name;
        snprintf(s->tag, sizeof(s->tag), "%.110s/%.110s/%u", name ? name : "chard", s->queue, ++c->registrations);
}

static int consumer_subscribe_ask(struct amqp_consumer *c, struct subscription *s, struct problem *why)
{
        struct amqp_link *l = &c->io.link;
        int result = open_channel(c, s, why);
        if (result)
                return result;
        if (s->bus)
                result = bus_declare(l, s->channel, s->bus, why);
        if (result)
                return result;
        amqp_basic_qos(l->conn, s->channel, 0, (uint16_t)s->prefetch, 0);
        result = amqp_link_result(l, s->channel, "setting the prefetch", why);
        if (result)
                return result;
        name_consumer(c, s);
        amqp_basic_consume(l->conn, s->channel, amqp_cstring_bytes(s->queue), amqp_cstring_bytes(s->tag), 0,
                           s->bus != NULL, 0, amqp_empty_table);
        return amqp_link_result(l, s->channel, "consuming", why);
}

static int subscribe_begin(struct amqp_consumer *c, struct subscription *s)
{
        struct problem why = { .code = "" };
        /* What rabbitmq-c has put aside may belong to the channel's last life; its tags must not meet the new epoch. */
        if (!s->open && amqp_frames_enqueued(c->io.link.conn))
                return 0;
        if (amqp_link_settle(&c->io.link, c->io.link.config->connect_timeout_ms) < 0)
                return -1;
        const int result = consumer_subscribe_ask(c, s, &why);
        if (result > 0)
                consumer_subscribe_refused(c, s, &why);
        if (result)
                return result < 0 ? -1 : 0;
        if (s->told)
                log_info("broker", "queue=%s consuming again", s->queue);
        s->told = false;
        s->registered = true;
        s->registered_prefetch = s->prefetch;
        s->registered_ms = clock_mono_ms();
        s->why[0] = '\0';
        if (s->bus)
                io_thread_report(&c->io, REPORT_JOINED, NULL, NULL);
        return 0;
}

static int subscribe_end(struct amqp_consumer *c, struct subscription *s)
{
        struct amqp_link *l = &c->io.link;
        struct problem why = { .code = "" };
        if (amqp_link_settle(l, l->config->connect_timeout_ms) < 0)
                return -1;
        amqp_basic_cancel(l->conn, s->channel, amqp_cstring_bytes(s->tag));
        const int result = amqp_link_result(l, s->channel, "cancelling", &why);
        if (result < 0)
                return -1;
        subscription_ended(s, result == 0, why.text);
        return 0;
}

static int declare_again(struct amqp_consumer *c)
{
        struct problem why = { .code = "" };
        c->declare_again = false;
        const int result = topology_declare(&c->io.link, c->topology, consumer_frame, c, &why);
        if (result > 0)
                log_warn("broker", "%s", why.text);
        return result < 0 ? -1 : 0;
}

static bool subscribe_outdated(const struct subscription *s)
{
        return s->registered && (!s->wanted || s->registered_prefetch != s->prefetch);
}

static bool consumer_subscribe_missing(const struct subscription *s)
{
        return s->wanted && !s->registered;
}

static int mend_one(struct amqp_consumer *c, struct subscription *s)
{
        if (subscribe_outdated(s) && subscribe_end(c, s) < 0)
                return -1;
        if (!consumer_subscribe_missing(s) || clock_mono_ms() < s->retry_at_ms)
                return 0;
        if (c->declare_again && declare_again(c) < 0)
                return -1;
        return subscribe_begin(c, s);
}

int consumer_mend(struct amqp_consumer *c)
{
        for (size_t i = 0; i < c->count; i++)
                if (mend_one(c, c->subscriptions[i]) < 0)
                        return -1;
        return 0;
}

int consumer_mend_due(const struct amqp_consumer *c)
{
        uint64_t first = UINT64_MAX;
        for (size_t i = 0; i < c->count; i++)
                if (consumer_subscribe_missing(c->subscriptions[i]) && c->subscriptions[i]->retry_at_ms < first)
                        first = c->subscriptions[i]->retry_at_ms;
        if (first == UINT64_MAX)
                return -1;
        const uint64_t now = clock_mono_ms();
        return first > now ? (int)(first - now) : 0;
}
