/* SPDX-License-Identifier: Apache-2.0 */
#include "message/wire/property_table.h"

const struct property_row property_table[PROPERTIES] = {
        [PROPERTY_CONTENT_TYPE] = { "content_type", PROPERTY_TEXT },
        [PROPERTY_CONTENT_ENCODING] = { "content_encoding", PROPERTY_TEXT },
        [PROPERTY_HEADERS] = { "headers", PROPERTY_TABLE },
        [PROPERTY_DELIVERY_MODE] = { "delivery_mode", PROPERTY_OCTET },
        [PROPERTY_PRIORITY] = { "priority", PROPERTY_OCTET },
        [PROPERTY_CORRELATION_ID] = { "correlation_id", PROPERTY_TEXT },
        [PROPERTY_REPLY_TO] = { "reply_to", PROPERTY_TEXT },
        [PROPERTY_EXPIRATION] = { "expiration", PROPERTY_TEXT },
        [PROPERTY_MESSAGE_ID] = { "message_id", PROPERTY_TEXT },
        [PROPERTY_TIMESTAMP] = { "timestamp", PROPERTY_TIME },
        [PROPERTY_TYPE] = { "type", PROPERTY_TEXT },
        [PROPERTY_USER_ID] = { "user_id", PROPERTY_TEXT },
        [PROPERTY_APP_ID] = { "app_id", PROPERTY_TEXT },
        [PROPERTY_CLUSTER_ID] = { "cluster_id", PROPERTY_TEXT },
};

size_t property_head(enum property_kind kind)
{
        return kind == PROPERTY_TEXT ? 1 : kind == PROPERTY_TABLE ? 4 : 0;
}

size_t property_size(enum property_kind kind, struct bytes encoded, size_t at)
{
        const size_t left = encoded.size - at, head = property_head(kind);
        const unsigned char *value = encoded.data + at;
        size_t size = kind == PROPERTY_TIME ? 8 : 1;
        if (head > left)
                return 0;
        if (kind == PROPERTY_TEXT)
                size = head + value[0];
        else if (kind == PROPERTY_TABLE)
                size = head + ((size_t)value[0] << 24 | (size_t)value[1] << 16 | (size_t)value[2] << 8 | value[3]);
        return size <= left ? size : 0;
}
