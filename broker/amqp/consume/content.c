/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/amqp/consume/content.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void content_start(struct content *c, const amqp_basic_deliver_t *method)
{
        content_clear(c);
        c->method = method;
}

static unsigned char *content_put(unsigned char *to, amqp_bytes_t from)
{
        if (from.len)
                memcpy(to, from.bytes, from.len);
        return to + from.len;
}

/* Layout: the struct, exchange, NUL, routing key, NUL, properties, body. */
static struct delivery *delivery_new(const amqp_basic_deliver_t *method, amqp_bytes_t properties, size_t body_size)
{
        const size_t texts = method->exchange.len + 1 + method->routing_key.len + 1;
        struct delivery *d = malloc(sizeof(*d) + texts + properties.len + body_size);
        if (!d)
                return NULL;
        unsigned char *at = (unsigned char *)(d + 1);
        *d = (struct delivery){ .tag.number = method->delivery_tag, .redelivered = method->redelivered };
        d->exchange = (const char *)at;
        at = content_put(at, method->exchange);
        *at++ = '\0';
        d->routing_key = (const char *)at;
        at = content_put(at, method->routing_key);
        *at++ = '\0';
        d->properties = bytes_of(at, properties.len);
        d->body = bytes_of(content_put(at, properties), body_size);
        return d;
}

static int content_complete(struct content *c, struct delivery **out)
{
        if (c->filled < c->delivery->body.size)
                return 0;
        *out = c->delivery;
        *c = (struct content){ 0 };
        return 1;
}

static int start_body(struct content *c, const amqp_frame_t *frame, struct delivery **out)
{
        if (!c->method)
                return 0;
        const uint64_t size = frame->payload.properties.body_size;
        if (size > CONTENT_SIZE_MAX)
                return -EPROTO;
        c->delivery = delivery_new(c->method, frame->payload.properties.raw, (size_t)size);
        c->method = NULL;
        return c->delivery ? content_complete(c, out) : -ENOMEM;
}

static int add_piece(struct content *c, amqp_bytes_t piece, struct delivery **out)
{
        if (!c->delivery)
                return 0;
        if (piece.len > c->delivery->body.size - c->filled)
                return -EPROTO;
        /* The bytes are ours until the delivery is given away, and read only from then on. */
        content_put((unsigned char *)(uintptr_t)c->delivery->body.data + c->filled, piece);
        c->filled += piece.len;
        return content_complete(c, out);
}

int content_frame(struct content *c, const amqp_frame_t *frame, struct delivery **out)
{
        if (frame->frame_type == AMQP_FRAME_HEADER)
                return start_body(c, frame, out);
        if (frame->frame_type == AMQP_FRAME_BODY)
                return add_piece(c, frame->payload.body_fragment, out);
        return 0;
}

void content_clear(struct content *c)
{
        free(c->delivery);
        *c = (struct content){ 0 };
}
