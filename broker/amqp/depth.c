/* SPDX-License-Identifier: Apache-2.0 */
/* How deep a queue is: a passive declaration, whose answer counts messages and consumers (AMQP 0-9-1, queue.declare-ok). It goes over the consuming
 * connection, because the publishing one may be blocked. */
#include "broker/amqp/amqp.h"

#include "broker/amqp/connection/declare.h"

#include <stdlib.h>
#include <string.h>

/* On the loop, until its answer. */
struct depth_question {
        struct depth_question *next;
        uint64_t number;
        depth_done *done;
        void *arg;
};

void amqp_depth(struct broker *broker, const char *queue, depth_done *done, void *arg)
{
        struct amqp_broker *b = (struct amqp_broker *)broker;
        const size_t size = queue ? strlen(queue) + 1 : 0;
        struct depth_question *q = queue ? malloc(sizeof(*q)) : NULL;
        struct order *o = q ? calloc(1, sizeof(*o) + size) : NULL;
        if (!o) {
                free(q);
                done(&(struct queue_depth){ .ready = -1, .unacked = -1, .consumers = -1 }, arg);
                return;
        }
        *q = (struct depth_question){ .next = b->depths, .number = ++b->depth_number, .done = done, .arg = arg };
        b->depths = q;
        o->kind = ORDER_DEPTH;
        o->number = q->number;
        o->queue = memcpy(o + 1, queue, size);
        mailbox_put(b->consumer.io.box, &o->mail);
}

void amqp_depth_answered(struct amqp_broker *b, const struct report *r)
{
        struct depth_question **at = &b->depths;
        while (*at && (*at)->number != r->number)
                at = &(*at)->next;
        struct depth_question *q = *at;
        if (!q)
                return;
        *at = q->next;
        const struct queue_depth depth = {
                .ready = r->messages, .unacked = -1, .consumers = r->consumers, .missing = r->missing
        };
        q->done(&depth, q->arg);
        free(q);
}

void amqp_depths_close(struct amqp_broker *b)
{
        while (b->depths) {
                const struct report none = { .number = b->depths->number, .messages = -1, .consumers = -1 };
                amqp_depth_answered(b, &none);
        }
}

/* ---- on the consuming thread ---- */

/* Returns 0 with the counts, 1 where there is no such queue, or -1. */
static int depth_ask(struct amqp_link *l, const char *queue, struct report *r)
{
        struct problem why = { .code = "" };
        if (amqp_link_settle(l, l->config->connect_timeout_ms) < 0)
                return -1;
        amqp_channel_open(l->conn, DECLARE_CHANNEL);
        int result = amqp_link_result(l, DECLARE_CHANNEL, "opening a channel", &why);
        if (result)
                return result;
        const amqp_queue_declare_ok_t *ok =
                amqp_queue_declare(l->conn, DECLARE_CHANNEL, amqp_cstring_bytes(queue), 1, 0, 0, 0, amqp_empty_table);
        if (ok) {
                r->messages = ok->message_count;
                r->consumers = ok->consumer_count;
        }
        result = amqp_link_result(l, DECLARE_CHANNEL, queue, &why);
        r->missing = result > 0 && strcmp(why.code, "not_found") == 0;
        if (result)
                return result; /* the broker has closed the channel */
        amqp_channel_close(l->conn, DECLARE_CHANNEL, AMQP_REPLY_SUCCESS);
        amqp_link_release(l, DECLARE_CHANNEL);
        return 0;
}

int consumer_depth(struct amqp_consumer *c, const struct order *o, bool sound)
{
        struct report *r = calloc(1, sizeof(*r));
        if (!r)
                return 0; /* answered when the broker is closed */
        r->kind = REPORT_DEPTH;
        r->number = o->number;
        r->messages = r->consumers = -1;
        const int result = sound ? depth_ask(&c->io.link, o->queue, r) : 0;
        mailbox_put(c->io.to_loop, &r->mail);
        return result < 0 ? -1 : 0;
}
