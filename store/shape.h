/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON that readers of a store get, the same for every backend: a backend selects the columns of a shape in its order, here they become members. */
#ifndef CHARD_STORE_SHAPE_H
#define CHARD_STORE_SHAPE_H

#include "core/bytes.h"

#include <stdbool.h>
#include <stdint.h>

enum shape_kind {
        SHAPE_TEXT,
        SHAPE_NUMBER,
        SHAPE_FLAG, /* of a number: true or false */
        SHAPE_TIME, /* of microseconds since 1970: ISO 8601 in UTC */
        SHAPE_MS,   /* of microseconds: milliseconds */
        SHAPE_JSON, /* of JSON text: its value */
        SHAPE_HEX,  /* of bytes: hexadecimal digits */
};

/* One member; a shape is a list of them that ends with one without a name. A cell that is null is null, whatever its kind. */
struct shape {
        const char *name;
        enum shape_kind kind;
};

/* What a column holds: a number, or bytes. */
struct cell {
        bool null;
        int64_t number;
        struct bytes bytes;
};

/* How a backend reads a column of its current row. What it gives is borrowed until the next call. */
typedef struct cell shape_read(void *row, int column);

/* Append a row as an object. Memory loss shows in json->failed. Any thread. */
void shape_add(struct buffer *json, const struct shape *shape, shape_read *read, void *row);

/* run.h, schedule.h, read.h */
extern const struct shape shape_owed[], shape_scheduled[], shape_upcoming[], shape_worker[], shape_chord_part[],
        shape_outbox[], shape_outbox_text[];
/* dead_letter.h */
extern const struct shape shape_group[], shape_alarm[], shape_count[], shape_act[];

#endif
