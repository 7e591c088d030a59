/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/link/column.h"

#include "core/json.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>

/* An array's head: dimensions, whether NULLs may follow, element type, then the one dimension's length and lower bound. */
#define HEAD_SIZE    20
#define LENGTH_AT    12
#define JSONB_FORMAT 1 /* the one version of jsonb's binary form */

static void add_u32(struct buffer *b, uint32_t number)
{
        uint32_t wire = htobe32(number);

        buffer_add(b, &wire, sizeof(wire));
}

void arguments_reset(struct pg_arguments *a)
{
        a->count = 0;
}

void arguments_free(struct pg_arguments *a)
{
        for (unsigned i = 0; i < ARGUMENTS_MAX; i++)
                buffer_free(&a->columns[i].bytes);
}

static struct column *next_column(struct pg_arguments *a, bool array)
{
        struct column *c = &a->columns[a->count++];

        assert(a->count <= ARGUMENTS_MAX);
        buffer_reset(&c->bytes);
        c->count = 0;
        c->array = array;
        return c;
}

struct column *arguments_array(struct pg_arguments *a, enum column_type type)
{
        struct column *c = next_column(a, true);
        uint32_t head[HEAD_SIZE / 4] = { htobe32(1), htobe32(1), htobe32(type), 0, htobe32(1) };

        buffer_add(&c->bytes, head, sizeof(head));
        return c;
}

void arguments_text(struct pg_arguments *a, const char *text)
{
        buffer_add_string(&next_column(a, false)->bytes, text);
}

void arguments_number(struct pg_arguments *a, int64_t number)
{
        uint64_t wire = htobe64((uint64_t)number);

        buffer_add(&next_column(a, false)->bytes, &wire, sizeof(wire));
}

void arguments_jsonb(struct pg_arguments *a, struct bytes text)
{
        struct column *c = next_column(a, false);

        buffer_add_byte(&c->bytes, JSONB_FORMAT);
        buffer_add(&c->bytes, text.data, text.size);
}

void column_null(struct column *c)
{
        c->count++;
        add_u32(&c->bytes, UINT32_MAX);
}

void column_bytes(struct column *c, struct bytes value)
{
        c->count++;
        add_u32(&c->bytes, (uint32_t)value.size);
        buffer_add(&c->bytes, value.data, value.size);
}

void column_text(struct column *c, const char *text)
{
        if (!text)
                column_null(c);
        else
                column_bytes(c, bytes_of_string(text));
}

/* A value that is written in place: its length is known afterwards. */
static void column_add_json(struct column *c, const json_t *value, bool binary)
{
        struct buffer *b = &c->bytes;
        size_t length_at = b->size;
        uint32_t wire;

        c->count++;
        add_u32(b, 0);
        if (binary)
                buffer_add_byte(b, JSONB_FORMAT);
        if (value)
                json_write(value, b);
        else
                buffer_add_string(b, "null");
        if (b->failed)
                return;
        wire = htobe32((uint32_t)(b->size - length_at - sizeof(wire)));
        memcpy(b->data + length_at, &wire, sizeof(wire));
}

void column_json(struct column *c, const json_t *value)
{
        column_add_json(c, value, true);
}

void column_json_text(struct column *c, const json_t *value)
{
        if (value)
                column_add_json(c, value, false);
        else
                column_null(c);
}

void column_int4(struct column *c, int64_t number)
{
        int64_t held = number > INT32_MAX ? INT32_MAX : number < INT32_MIN ? INT32_MIN : number;

        c->count++;
        add_u32(&c->bytes, 4);
        add_u32(&c->bytes, (uint32_t)held);
}

void column_int8(struct column *c, int64_t number)
{
        uint64_t wire = htobe64((uint64_t)number);

        column_bytes(c, bytes_of(&wire, sizeof(wire)));
}

void column_uuid(struct column *c, const unsigned char uuid[16])
{
        column_bytes(c, bytes_of(uuid, 16));
}

int arguments_finish(struct pg_arguments *a)
{
        for (unsigned i = 0; i < a->count; i++) {
                struct column *c = &a->columns[i];
                uint32_t wire = htobe32(c->count);

                if (c->bytes.failed)
                        return -ENOMEM;
                if (c->array)
                        memcpy(c->bytes.data + LENGTH_AT, &wire, sizeof(wire));
        }
        return 0;
}
