/* SPDX-License-Identifier: Apache-2.0 */
#include "message/wire/property_table.h"

#include "message/wire/wire.h"

#include <errno.h>
#include <stddef.h>

enum { SHORT_TEXT_MAX = 255 };

/* Where each of them stands in struct properties. */
static const size_t property_offsets[PROPERTIES] = {
        [PROPERTY_CONTENT_TYPE] = offsetof(struct properties, content_type),
        [PROPERTY_CONTENT_ENCODING] = offsetof(struct properties, content_encoding),
        [PROPERTY_HEADERS] = offsetof(struct properties, headers),
        [PROPERTY_DELIVERY_MODE] = offsetof(struct properties, delivery_mode),
        [PROPERTY_PRIORITY] = offsetof(struct properties, priority),
        [PROPERTY_CORRELATION_ID] = offsetof(struct properties, correlation_id),
        [PROPERTY_REPLY_TO] = offsetof(struct properties, reply_to),
        [PROPERTY_EXPIRATION] = offsetof(struct properties, expiration),
        [PROPERTY_MESSAGE_ID] = offsetof(struct properties, message_id),
        [PROPERTY_TIMESTAMP] = offsetof(struct properties, timestamp),
        [PROPERTY_TYPE] = offsetof(struct properties, type),
        [PROPERTY_USER_ID] = offsetof(struct properties, user_id),
        [PROPERTY_APP_ID] = offsetof(struct properties, app_id),
        [PROPERTY_CLUSTER_ID] = offsetof(struct properties, cluster_id),
};

static bool property_is_bytes(enum property i)
{
        return property_head(property_table[i].kind) > 0;
}

static const struct bytes *property_bytes(const struct properties *p, enum property i)
{
        return (const struct bytes *)((const char *)p + property_offsets[i]);
}

/* -1 when it is absent. */
static int64_t property_number(const struct properties *p, enum property i)
{
        const char *at = (const char *)p + property_offsets[i];
        return property_table[i].kind == PROPERTY_TIME ? *(const int64_t *)at : *(const int *)at;
}

static bool property_is_there(const struct properties *p, enum property i)
{
        return property_is_bytes(i) ? property_bytes(p, i)->data != NULL : property_number(p, i) >= 0;
}

/* ---- reading ---- */

static void property_read(struct properties *p, enum property i, struct bytes encoded)
{
        char *at = (char *)p + property_offsets[i];
        const enum property_kind kind = property_table[i].kind;
        const size_t head = property_head(kind);
        if (head > 0)
                *(struct bytes *)at = bytes_of(encoded.data + head, encoded.size - head);
        else if (kind == PROPERTY_TIME)
                *(int64_t *)at = (int64_t)wire_read(encoded.data, 8);
        else
                *(int *)at = encoded.data[0];
}

int properties_read(struct bytes encoded, struct properties *out, struct problem *why)
{
        size_t at = PROPERTY_FLAGS_SIZE, size = 1;
        *out = (struct properties){ .delivery_mode = -1, .priority = -1, .timestamp = -1 };
        const unsigned flags = encoded.size < at ? 0 : property_flags(encoded);
        if (flags & ~PROPERTY_FLAGS_KNOWN)
                return problem_set(why, "message", "bad_properties", "the property flags %04x name unknown properties",
                                   flags);
        for (enum property i = 0; i < PROPERTIES && size > 0; i++) {
                if (!(flags & property_flag(i)))
                        continue;
                size = property_size(property_table[i].kind, encoded, at);
                if (size > 0)
                        property_read(out, i, bytes_of(encoded.data + at, size));
                at += size;
        }
        if (size == 0 || encoded.size < at)
                return problem_set(why, "message", "bad_properties", "the properties end too early, after %zu bytes",
                                   encoded.size);
        if (encoded.size > at)
                return problem_set(why, "message", "bad_properties", "%zu bytes too many follow the properties",
                                   encoded.size - at);
        return 0;
}

/* ---- writing ---- */

static void property_write(const struct properties *p, enum property i, struct buffer *out)
{
        const enum property_kind kind = property_table[i].kind;
        if (!property_is_bytes(i)) {
                wire_add(out, (uint64_t)property_number(p, i), kind == PROPERTY_TIME ? 8 : 1);
                return;
        }
        struct bytes value = *property_bytes(p, i);
        if (kind == PROPERTY_TEXT && value.size > SHORT_TEXT_MAX)
                value.size = SHORT_TEXT_MAX;
        wire_add(out, value.size, (unsigned)property_head(kind));
        buffer_add(out, value.data, value.size);
}

void properties_write(const struct properties *p, struct buffer *out)
{
        unsigned flags = 0;
        for (enum property i = 0; i < PROPERTIES; i++)
                flags |= property_is_there(p, i) ? property_flag(i) : 0;
        wire_add(out, flags, PROPERTY_FLAGS_SIZE);
        for (enum property i = 0; i < PROPERTIES; i++)
                if (property_is_there(p, i))
                        property_write(p, i, out);
}

json_t *properties_to_json(const struct properties *p)
{
        json_t *all = json_object();
        for (enum property i = 0; i < PROPERTIES; i++) {
                if (!property_is_there(p, i) || i == PROPERTY_HEADERS || i == PROPERTY_CLUSTER_ID)
                        continue;
                const struct bytes text = property_is_bytes(i) ? *property_bytes(p, i) : bytes_of(NULL, 0);
                json_object_set_new(all, property_table[i].name,
                                    text.data ? json_stringn((const char *)text.data, text.size)
                                              : json_integer(property_number(p, i)));
        }
        return all;
}

/* RabbitMQ writes it with message_interceptors.incoming.set_header_timestamp: the property, in seconds, and a header of its own, in milliseconds. Most messages
 * have neither, which their first bytes tell. Source: RabbitMQ documentation, "Message Interceptors". */
int64_t message_sent_ms(struct bytes properties)
{
        struct properties p;
        struct header h;
        int64_t ms = 0;
        if (properties.size < PROPERTY_FLAGS_SIZE ||
            !(property_flags(properties) & property_flag(PROPERTY_TIMESTAMP)) ||
            properties_read(properties, &p, NULL) || p.timestamp <= 0)
                return 0;
        if (header_find(p.headers, "timestamp_in_ms", &h) && header_number(&h, &ms) && ms > 0)
                return ms;
        return p.timestamp < INT64_MAX / 1000 ? p.timestamp * 1000 : 0;
}
