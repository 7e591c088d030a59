/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the binary fields of a result. */
#ifndef CHARD_STORE_POSTGRES_LINK_REPLY_H
#define CHARD_STORE_POSTGRES_LINK_REPLY_H

#include "core/bytes.h"

#include <endian.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline bool field_null(const PGresult *r, int row, int column)
{
        return PQgetisnull(r, row, column) != 0;
}

/* Text, NUL-terminated by libpq; "" for NULL. */
static inline const char *field_text(const PGresult *r, int row, int column)
{
        return PQgetvalue(r, row, column);
}

/* text, json, bytea; data is NULL for NULL. */
static inline struct bytes field_bytes(const PGresult *r, int row, int column)
{
        if (field_null(r, row, column))
                return bytes_of(NULL, 0);
        return bytes_of(PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column));
}

static inline bool field_bool(const PGresult *r, int row, int column)
{
        return PQgetlength(r, row, column) == 1 && PQgetvalue(r, row, column)[0] != 0;
}

/* Of a binary int4 or int8; else 0. */
static inline int64_t bytes_number(struct bytes value)
{
        uint32_t four;
        uint64_t eight;

        switch (value.size) {
        case sizeof(four): memcpy(&four, value.data, sizeof(four)); return (int32_t)be32toh(four);
        case sizeof(eight): memcpy(&eight, value.data, sizeof(eight)); return (int64_t)be64toh(eight);
        default: return 0;
        }
}

/* int4 or int8; 0 for NULL. */
static inline int64_t field_number(const PGresult *r, int row, int column)
{
        return bytes_number(bytes_of(PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column)));
}

#endif
