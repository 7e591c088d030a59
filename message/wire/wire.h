/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share below message.h: AMQP's big-endian numbers, the values inside tables and arrays,
 * and which headers are whose. Pure. */
#ifndef CHARD_MESSAGE_WIRE_WIRE_H
#define CHARD_MESSAGE_WIRE_WIRE_H

#include "message/message.h"

/* Read and write big-endian numbers; the caller knows that the bytes are there. */
uint64_t wire_read(const unsigned char *at, unsigned size);
void wire_add(struct buffer *b, uint64_t number, unsigned size);

/* Open and close something that starts with its own length (4 bytes): begin returns where it starts. */
size_t wire_begin(struct buffer *b);
void wire_end(struct buffer *b, size_t start);

/* How deep tables and arrays may nest. Deeper ones are refused while reading and not made while writing. */
#define WIRE_DEEPEST 32

/* Append a header's name; its kind and value come next. At most 255 bytes of it. */
void wire_add_name(struct buffer *b, const char *name);

/* Append one value with its kind before it, as it stands in tables and arrays. */
void wire_add_text(struct buffer *b, struct bytes text);
void wire_add_number(struct buffer *b, int64_t number);
void wire_add_json(struct buffer *b, const json_t *value); /* NULL and what nests too deep is V */

/* Step through an array's inside, as header_next does through a table's; the items have no name. */
bool wire_next_item(struct bytes array, size_t *at, struct header *out);

/* The inside of a table (kind F), an array (A) or bytes (S, x), without the length. */
struct bytes wire_inside(const struct header *h);

/* An f or d. False when it is of another kind. */
bool wire_real(const struct header *h, double *out);

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
        return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Whose a header is. */
enum header_owner {
        HEADER_CLIENT, /* the producer's own: travels on untouched */
        HEADER_TASK,   /* message protocol v2: each message has its own */
        HEADER_BODY,   /* how this body is encoded */
        HEADER_BROKER, /* what brokers add or act upon: must not be published again */
        HEADER_DEAD, /* the error record of a dead letter; its more general names (timestamp, attempts, trace_id) may be a client's */
};
enum header_owner header_owner_of(struct bytes name);

#endif
