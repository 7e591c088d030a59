/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of a statement in PostgreSQL's binary form: no quoting, no escapes, no second parse. Arrays carry one
 * value a row of a group, so that one statement does what a thousand would.
 * Source of the forms: PostgreSQL's array_recv (src/backend/utils/adt/arrayfuncs.c) and the types' own *_recv.
 * Owned by one thread; the memory is kept from one statement to the next. */
#ifndef CHARD_STORE_POSTGRES_LINK_COLUMN_H
#define CHARD_STORE_POSTGRES_LINK_COLUMN_H

#include "core/bytes.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Types by their fixed object ids (pg_type.dat). */
enum column_type {
        COLUMN_BYTEA = 17,
        COLUMN_INT8 = 20,
        COLUMN_INT4 = 23,
        COLUMN_TEXT = 25,
        COLUMN_JSON = 114,
        COLUMN_UUID = 2950,
        COLUMN_JSONB = 3802,
};

/* An array being written. */
struct column {
        struct buffer bytes;
        uint32_t count;
        bool array;
};

#define ARGUMENTS_MAX 32

/* Zero-initialise to start. */
struct pg_arguments {
        struct column columns[ARGUMENTS_MAX];
        unsigned count;
};

/* Forget the values, keep the memory. */
void arguments_reset(struct pg_arguments *a);
void arguments_free(struct pg_arguments *a);

/* Begin the next parameter, an array of `type`; its values follow in any order relative to the other columns'. */
struct column *arguments_array(struct pg_arguments *a, enum column_type type);

/* The next parameter is one value. */
void arguments_text(struct pg_arguments *a, const char *text);
void arguments_number(struct pg_arguments *a, int64_t number); /* int8 */
void arguments_jsonb(struct pg_arguments *a, struct bytes text);

/* Add a value; NULL where a pointer may be NULL. Memory loss shows in column->bytes.failed. */
void column_null(struct column *c);
void column_text(struct column *c, const char *text);
void column_bytes(struct column *c, struct bytes value);      /* text, bytea, json */
void column_json(struct column *c, const json_t *value);      /* jsonb; NULL is JSON's null */
void column_json_text(struct column *c, const json_t *value); /* json; NULL is SQL's null */
void column_int4(struct column *c, int64_t number);           /* held within int4's range */
void column_int8(struct column *c, int64_t number);
void column_uuid(struct column *c, const unsigned char uuid[16]);

/* Finish all arrays. Returns 0 or -ENOMEM when any value was lost. */
int arguments_finish(struct pg_arguments *a);

#endif
