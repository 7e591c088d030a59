/* SPDX-License-Identifier: Apache-2.0 */
#include "message/wire/wire.h"

#include <errno.h>

/* Flag bits of the basic class, AMQP 0-9-1 specification 4.2.6.1 and the class's list of fields: the first is the highest. */
enum {
        FLAG_CONTENT_TYPE = 0x8000,
        FLAG_CONTENT_ENCODING = 0x4000,
        FLAG_HEADERS = 0x2000,
        FLAG_DELIVERY_MODE = 0x1000,
        FLAG_PRIORITY = 0x0800,
        FLAG_CORRELATION_ID = 0x0400,
        FLAG_REPLY_TO = 0x0200,
        FLAG_EXPIRATION = 0x0100,
        FLAG_MESSAGE_ID = 0x0080,
        FLAG_TIMESTAMP = 0x0040,
        FLAG_TYPE = 0x0020,
        FLAG_USER_ID = 0x0010,
        FLAG_APP_ID = 0x0008,
        FLAG_CLUSTER_ID = 0x0004,
        FLAGS_UNUSED = 0x0003, /* more flags follow; the basic class has none */
};

enum { SHORT_TEXT_MAX = 255 };

/* What is left to read. Once it was too short, `cut` stays set and everything reads as absent. */
struct reader {
        const unsigned char *at, *end;
        unsigned flags;
        bool cut;
};

static struct bytes take(struct reader *r, size_t size)
{
        if (r->cut || (size_t)(r->end - r->at) < size) {
                r->cut = true;
                return (struct bytes){ NULL, 0 };
        }
        struct bytes taken = bytes_of(r->at, size);
        r->at += size;
        return taken;
}

static uint64_t take_number(struct reader *r, unsigned size)
{
        const struct bytes taken = take(r, size);
        return r->cut ? 0 : wire_read(taken.data, size);
}

static struct bytes take_text(struct reader *r, unsigned flag)
{
        if (!(r->flags & flag))
                return (struct bytes){ NULL, 0 };
        return take(r, (size_t)take_number(r, 1));
}

static struct bytes take_table(struct reader *r)
{
        if (!(r->flags & FLAG_HEADERS))
                return (struct bytes){ NULL, 0 };
        return take(r, (size_t)take_number(r, 4));
}

int properties_read(struct bytes encoded, struct properties *out, struct problem *why)
{
        struct reader r = { .at = encoded.data, .end = encoded.data + encoded.size };
        *out = (struct properties){ .delivery_mode = -1, .priority = -1, .timestamp = -1 };
        r.flags = (unsigned)take_number(&r, 2);
        if (r.flags & FLAGS_UNUSED)
                return problem_set(why, "message", "bad_properties", "the property flags %04x name unknown properties",
                                   r.flags);
        out->content_type = take_text(&r, FLAG_CONTENT_TYPE);
        out->content_encoding = take_text(&r, FLAG_CONTENT_ENCODING);
        out->headers = take_table(&r);
        if (r.flags & FLAG_DELIVERY_MODE)
                out->delivery_mode = (int)take_number(&r, 1);
        if (r.flags & FLAG_PRIORITY)
                out->priority = (int)take_number(&r, 1);
        out->correlation_id = take_text(&r, FLAG_CORRELATION_ID);
        out->reply_to = take_text(&r, FLAG_REPLY_TO);
        out->expiration = take_text(&r, FLAG_EXPIRATION);
        out->message_id = take_text(&r, FLAG_MESSAGE_ID);
        if (r.flags & FLAG_TIMESTAMP)
                out->timestamp = (int64_t)take_number(&r, 8);
        out->type = take_text(&r, FLAG_TYPE);
        out->user_id = take_text(&r, FLAG_USER_ID);
        out->app_id = take_text(&r, FLAG_APP_ID);
        out->cluster_id = take_text(&r, FLAG_CLUSTER_ID);
        if (r.cut)
                return problem_set(why, "message", "bad_properties", "the properties end too early, after %zu bytes",
                                   encoded.size);
        if (r.at != r.end)
                return problem_set(why, "message", "bad_properties", "%zu bytes too many follow the properties",
                                   (size_t)(r.end - r.at));
        return 0;
}

static unsigned flag_of(struct bytes text, unsigned flag)
{
        return text.data ? flag : 0;
}

static unsigned flags_of(const struct properties *p)
{
        return flag_of(p->content_type, FLAG_CONTENT_TYPE) | flag_of(p->content_encoding, FLAG_CONTENT_ENCODING) |
               flag_of(p->headers, FLAG_HEADERS) | (p->delivery_mode >= 0 ? FLAG_DELIVERY_MODE : 0u) |
               (p->priority >= 0 ? FLAG_PRIORITY : 0u) | flag_of(p->correlation_id, FLAG_CORRELATION_ID) |
               flag_of(p->reply_to, FLAG_REPLY_TO) | flag_of(p->expiration, FLAG_EXPIRATION) |
               flag_of(p->message_id, FLAG_MESSAGE_ID) | (p->timestamp >= 0 ? FLAG_TIMESTAMP : 0u) |
               flag_of(p->type, FLAG_TYPE) | flag_of(p->user_id, FLAG_USER_ID) | flag_of(p->app_id, FLAG_APP_ID) |
               flag_of(p->cluster_id, FLAG_CLUSTER_ID);
}

static void add_text(struct buffer *out, struct bytes text)
{
        if (!text.data)
                return;
        const size_t size = text.size < SHORT_TEXT_MAX ? text.size : SHORT_TEXT_MAX;
        buffer_add_byte(out, (unsigned char)size);
        buffer_add(out, text.data, size);
}

void properties_write(const struct properties *p, struct buffer *out)
{
        wire_add(out, flags_of(p), 2);
        add_text(out, p->content_type);
        add_text(out, p->content_encoding);
        if (p->headers.data) {
                wire_add(out, p->headers.size, 4);
                buffer_add(out, p->headers.data, p->headers.size);
        }
        if (p->delivery_mode >= 0)
                buffer_add_byte(out, (unsigned char)p->delivery_mode);
        if (p->priority >= 0)
                buffer_add_byte(out, (unsigned char)p->priority);
        add_text(out, p->correlation_id);
        add_text(out, p->reply_to);
        add_text(out, p->expiration);
        add_text(out, p->message_id);
        if (p->timestamp >= 0)
                wire_add(out, (uint64_t)p->timestamp, 8);
        add_text(out, p->type);
        add_text(out, p->user_id);
        add_text(out, p->app_id);
        add_text(out, p->cluster_id);
}
