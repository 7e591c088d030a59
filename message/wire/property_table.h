/* SPDX-License-Identifier: Apache-2.0 */
/* The properties of an AMQP message as they stand on the wire: two bytes of flags, then those that the flags name, in the order of this table.
 * Source: AMQP 0-9-1 specification, 4.2.6.1 and the fields of class basic. Pure. */
#ifndef CHARD_MESSAGE_WIRE_PROPERTY_TABLE_H
#define CHARD_MESSAGE_WIRE_PROPERTY_TABLE_H

#include "core/bytes.h"

enum property {
        PROPERTY_CONTENT_TYPE,
        PROPERTY_CONTENT_ENCODING,
        PROPERTY_HEADERS,
        PROPERTY_DELIVERY_MODE,
        PROPERTY_PRIORITY,
        PROPERTY_CORRELATION_ID,
        PROPERTY_REPLY_TO,
        PROPERTY_EXPIRATION,
        PROPERTY_MESSAGE_ID,
        PROPERTY_TIMESTAMP,
        PROPERTY_TYPE,
        PROPERTY_USER_ID,
        PROPERTY_APP_ID,
        PROPERTY_CLUSTER_ID, /* reserved by the specification */
        PROPERTIES,
};

enum property_kind {
        PROPERTY_TEXT,  /* its size in a byte, then so many */
        PROPERTY_TABLE, /* its size in four bytes, then so many */
        PROPERTY_OCTET,
        PROPERTY_TIME, /* eight bytes: seconds */
};

/* By enum property. */
extern const struct property_row {
        const char *name; /* as kombu has it: "content_type" */
        enum property_kind kind;
} property_table[PROPERTIES];

#define PROPERTY_FLAGS_SIZE  2
#define PROPERTY_FLAGS_KNOWN 0xFFFCU /* the last bit would announce more flags */

/* The first property has the highest bit. */
static inline unsigned property_flag(enum property p)
{
        return 0x8000U >> p;
}

/* The flags at the beginning of properties, of which there are at least two bytes. */
static inline unsigned property_flags(struct bytes encoded)
{
        return (unsigned)encoded.data[0] << 8 | encoded.data[1];
}

/* How many bytes a value begins with that say its size. */
size_t property_head(enum property_kind kind);

/* The size of the value that starts at `at`, its head included; 0 when it is cut short. */
size_t property_size(enum property_kind kind, struct bytes encoded, size_t at);

#endif
