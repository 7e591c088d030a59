/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/amqp/connection/frames.h"

#include "message/wire/property_table.h"

enum frame_type { FRAME_METHOD = 1, FRAME_HEADER = 2, FRAME_BODY = 3, FRAME_HEARTBEAT = 8 };

#define FRAME_HEAD        7
#define FRAME_END         0xCE
#define CLASS_BASIC       60
#define METHOD_PUBLISH    40
#define METHOD_ACK        80
#define METHOD_NACK       120
#define PUBLISH_MANDATORY 1
#define NACK_REQUEUE      2
#define PERSISTENT        2
#define TRANSIENT         1
#define HEADER_FIXED      12 /* class, weight, body size */

static unsigned char *frames_put16(unsigned char *to, uint16_t value)
{
        *to++ = (unsigned char)(value >> 8);
        *to++ = (unsigned char)value;
        return to;
}

static unsigned char *frames_put32(unsigned char *to, uint32_t value)
{
        return frames_put16(frames_put16(to, (uint16_t)(value >> 16)), (uint16_t)value);
}

static unsigned char *frames_put64(unsigned char *to, uint64_t value)
{
        return frames_put32(frames_put32(to, (uint32_t)(value >> 32)), (uint32_t)value);
}

static unsigned char *put_bytes(unsigned char *to, const void *data, size_t size)
{
        if (size)
                memcpy(to, data, size);
        return to + size;
}

static unsigned char *put_short_text(unsigned char *to, const char *text)
{
        const size_t size = strlen(text);
        *to++ = (unsigned char)size;
        return put_bytes(to, text, size);
}

static unsigned char *put_head(unsigned char *to, enum frame_type type, uint16_t channel, size_t payload)
{
        *to++ = (unsigned char)type;
        return frames_put32(frames_put16(to, channel), (uint32_t)payload);
}

/* Room for a frame whose payload has this size, with its head and end written; NULL when memory ran out. */
static unsigned char *frames_reserve(struct buffer *out, enum frame_type type, uint16_t channel, size_t payload)
{
        unsigned char *start = buffer_reserve(out, payload + FRAME_OVERHEAD);
        if (!start)
                return NULL;
        out->size += payload + FRAME_OVERHEAD;
        start[FRAME_HEAD + payload] = FRAME_END;
        return put_head(start, type, channel, payload);
}

void frame_heartbeat(struct buffer *out)
{
        frames_reserve(out, FRAME_HEARTBEAT, 0, 0);
}

static void frames_settle(struct buffer *out, uint16_t channel, uint16_t method, uint64_t tag, unsigned bits)
{
        unsigned char *to = frames_reserve(out, FRAME_METHOD, channel, 13);
        if (!to)
                return;
        to = frames_put64(frames_put16(frames_put16(to, CLASS_BASIC), method), tag);
        *to = (unsigned char)bits;
}

void frame_ack(struct buffer *out, uint16_t channel, uint64_t tag, bool multiple)
{
        frames_settle(out, channel, METHOD_ACK, tag, multiple);
}

void frame_hand_back(struct buffer *out, uint16_t channel, uint64_t tag, bool multiple)
{
        frames_settle(out, channel, METHOD_NACK, tag, NACK_REQUEUE | multiple);
}

void frame_method(struct buffer *out, uint16_t channel, uint32_t id, struct bytes arguments)
{
        unsigned char *to = frames_reserve(out, FRAME_METHOD, channel, 4 + arguments.size);
        if (to)
                put_bytes(frames_put32(to, id), arguments.data, arguments.size);
}

/* Where the first property behind `last` starts. 0 when the bytes are malformed before it. */
static size_t property_offset(struct bytes p, enum property last)
{
        size_t at = PROPERTY_FLAGS_SIZE;
        for (enum property i = 0; i <= last; i++) {
                if (!(property_flags(p) & property_flag(i)))
                        continue;
                const size_t size = property_size(property_table[i].kind, p, at);
                if (size == 0)
                        return 0;
                at += size;
        }
        return at;
}

/* RabbitMQ's direct reply-to. What follows in such a key is a token that RabbitMQ made; at another one its 3.10 fails, and ends the
 * connection. */
static bool is_direct_reply(const struct message *m)
{
        static const char direct[] = "amq.rabbitmq.reply-to";
        return !*m->exchange && strncmp(m->routing_key, direct, sizeof(direct) - 1) == 0;
}

bool frame_can_publish(const struct message *m, size_t frame_max)
{
        const struct bytes p = m->properties;
        if (strlen(m->exchange) > 255 || strlen(m->routing_key) > 255 || is_direct_reply(m))
                return false;
        if (p.size < PROPERTY_FLAGS_SIZE || p.size + HEADER_FIXED + 1 + FRAME_OVERHEAD > frame_max)
                return false;
        return (property_flags(p) & ~PROPERTY_FLAGS_KNOWN) == 0 && property_offset(p, PROPERTIES - 1) == p.size;
}

static void publish_header(struct buffer *out, uint16_t channel, const struct message *m, unsigned char delivery_mode)
{
        const struct bytes p = m->properties;
        const unsigned flags = property_flags(p), mode = property_flag(PROPERTY_DELIVERY_MODE);
        const size_t behind = property_offset(p, PROPERTY_DELIVERY_MODE);
        const size_t before = flags & mode ? behind - 1 : behind;
        unsigned char *to = frames_reserve(out, FRAME_HEADER, channel, HEADER_FIXED + before + 1 + (p.size - behind));
        if (!to)
                return;
        to = frames_put64(frames_put16(frames_put16(to, CLASS_BASIC), 0), m->body.size);
        to = frames_put16(to, (uint16_t)(flags | mode));
        to = put_bytes(to, p.data + PROPERTY_FLAGS_SIZE, before - PROPERTY_FLAGS_SIZE);
        *to++ = delivery_mode;
        put_bytes(to, p.data + behind, p.size - behind);
}

static void publish_method(struct buffer *out, uint16_t channel, const struct message *m, unsigned char bits)
{
        const size_t payload = 4 + 2 + 1 + strlen(m->exchange) + 1 + strlen(m->routing_key) + 1;
        unsigned char *to = frames_reserve(out, FRAME_METHOD, channel, payload);
        if (!to)
                return;
        to = frames_put16(frames_put16(frames_put16(to, CLASS_BASIC), METHOD_PUBLISH), 0);
        to = put_short_text(put_short_text(to, m->exchange), m->routing_key);
        *to = bits;
}

void frame_publish(struct buffer *out, uint16_t channel, const struct message *m)
{
        publish_method(out, channel, m, PUBLISH_MANDATORY);
        publish_header(out, channel, m, PERSISTENT);
}

void frame_publish_transient(struct buffer *out, uint16_t channel, const struct message *m)
{
        publish_method(out, channel, m, 0);
        publish_header(out, channel, m, TRANSIENT);
}

void frame_body(struct buffer *out, uint16_t channel, struct bytes piece)
{
        unsigned char *to = frames_reserve(out, FRAME_BODY, channel, piece.size);
        if (to)
                put_bytes(to, piece.data, piece.size);
}
