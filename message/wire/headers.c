/* SPDX-License-Identifier: Apache-2.0 */
/* Field tables. The letters are those that RabbitMQ and its clients really use ("l" is 64 bits, "s" 16 bits; see
 * rabbitmq.com, "AMQP 0-9-1 errata", section 3), with py-amqp's "U" besides. */
#include "message/wire/wire.h"

enum { NAME_MAX_SIZE = 255 };

static bool value_size(struct bytes in, size_t at, char kind, unsigned depth, size_t *size);

uint64_t wire_read(const unsigned char *at, unsigned size)
{
        uint64_t number = 0;
        for (unsigned i = 0; i < size; i++)
                number = number << 8 | at[i];
        return number;
}

void wire_add(struct buffer *b, uint64_t number, unsigned size)
{
        unsigned char *at = buffer_reserve(b, size);
        if (!at)
                return;
        for (unsigned i = 0; i < size; i++)
                at[i] = (unsigned char)(number >> 8 * (size - 1 - i));
        b->size += size;
}

size_t wire_begin(struct buffer *b)
{
        wire_add(b, 0, 4);
        return b->size;
}

void wire_end(struct buffer *b, size_t start)
{
        if (b->failed)
                return;
        const size_t size = b->size - start;
        for (unsigned i = 0; i < 4; i++)
                b->data[start - 4 + i] = (unsigned char)(size >> 8 * (3 - i));
}

/* ---- reading ---- */

static bool next_item(struct bytes in, size_t *at, unsigned depth, struct header *out)
{
        size_t size;
        if (*at >= in.size)
                return false;
        out->kind = (char)in.data[*at];
        if (!value_size(in, *at + 1, out->kind, depth, &size))
                return false;
        out->value = bytes_of(in.data + *at + 1, size);
        *at += 1 + size;
        return true;
}

static bool next_entry(struct bytes in, size_t *at, unsigned depth, struct header *out)
{
        if (*at >= in.size)
                return false;
        const size_t name_size = in.data[*at];
        size_t after = *at + 1 + name_size;
        out->name = bytes_of(in.data + *at + 1, name_size);
        if (after > in.size || !next_item(in, &after, depth, out))
                return false;
        *at = after;
        return true;
}

bool header_next(struct bytes table, size_t *at, struct header *out)
{
        return next_entry(table, at, WIRE_DEEPEST, out);
}

bool wire_next_item(struct bytes array, size_t *at, struct header *out)
{
        out->name = (struct bytes){ NULL, 0 };
        return next_item(array, at, WIRE_DEEPEST, out);
}

static bool nested_valid(struct bytes in, char kind, unsigned depth)
{
        struct header h;
        size_t at = 0;
        if (depth == 0)
                return false;
        while (kind == 'F' ? next_entry(in, &at, depth - 1, &h) : next_item(in, &at, depth - 1, &h))
                ;
        return at == in.size;
}

static bool counted_size(struct bytes in, size_t at, char kind, unsigned depth, size_t *size)
{
        if (in.size - at < 4)
                return false;
        const size_t inside = (size_t)wire_read(in.data + at, 4);
        if (in.size - at - 4 < inside)
                return false;
        *size = 4 + inside;
        return kind == 'S' || kind == 'x' || nested_valid(bytes_of(in.data + at + 4, inside), kind, depth);
}

static int fixed_size(char kind)
{
        switch (kind) {
        case 'V': return 0;
        case 't':
        case 'b':
        case 'B': return 1;
        case 's':
        case 'u':
        case 'U': return 2;
        case 'I':
        case 'i':
        case 'f': return 4;
        case 'D': return 5;
        case 'l':
        case 'L':
        case 'd':
        case 'T': return 8;
        default: return -1;
        }
}

/* How long the value at `at` is; false when it doesn't fit or is no value. */
static bool value_size(struct bytes in, size_t at, char kind, unsigned depth, size_t *size)
{
        if (at > in.size)
                return false;
        if (kind == 'S' || kind == 'x' || kind == 'F' || kind == 'A')
                return counted_size(in, at, kind, depth, size);
        const int fixed = fixed_size(kind);
        if (fixed < 0 || in.size - at < (size_t)fixed)
                return false;
        *size = (size_t)fixed;
        return true;
}

struct bytes wire_inside(const struct header *h)
{
        return bytes_of(h->value.data + 4, h->value.size - 4);
}

bool header_text(const struct header *h, struct bytes *out)
{
        if (h->kind != 'S')
                return false;
        *out = wire_inside(h);
        return true;
}

bool header_number(const struct header *h, int64_t *out)
{
        const unsigned char *at = h->value.data;
        switch (h->kind) {
        case 'b': *out = at[0] - (at[0] & 0x80) * 2; return true;
        case 'B': *out = at[0]; return true;
        case 's':
        case 'U': *out = (int16_t)wire_read(at, 2); return true;
        case 'u': *out = (uint16_t)wire_read(at, 2); return true;
        case 'I': *out = (int32_t)wire_read(at, 4); return true;
        case 'i': *out = (uint32_t)wire_read(at, 4); return true;
        case 'l':
        case 'L': *out = (int64_t)wire_read(at, 8); return true;
        default: return false;
        }
}

bool wire_real(const struct header *h, double *out)
{
        if (h->kind == 'd') {
                const uint64_t bits = wire_read(h->value.data, 8);
                memcpy(out, &bits, sizeof(*out));
                return true;
        }
        if (h->kind == 'f') {
                const uint32_t bits = (uint32_t)wire_read(h->value.data, 4);
                float real;
                memcpy(&real, &bits, sizeof(real));
                *out = (double)real;
                return true;
        }
        return false;
}

bool header_find(struct bytes table, const char *name, struct header *out)
{
        const struct bytes wanted = bytes_of_string(name);
        struct header h;
        bool found = false;
        for (size_t at = 0; header_next(table, &at, &h);)
                if (bytes_equal(h.name, wanted)) {
                        *out = h;
                        found = true;
                }
        return found;
}

/* ---- writing ---- */

void wire_add_name(struct buffer *b, const char *name)
{
        const size_t size = strnlen(name, NAME_MAX_SIZE);
        buffer_add_byte(b, (unsigned char)size);
        buffer_add(b, name, size);
}

void header_add_text(struct buffer *table, const char *name, struct bytes text)
{
        wire_add_name(table, name);
        wire_add_text(table, text);
}

void header_add_number(struct buffer *table, const char *name, int64_t number)
{
        wire_add_name(table, name);
        wire_add_number(table, number);
}

void header_add_bool(struct buffer *table, const char *name, bool value)
{
        wire_add_name(table, name);
        buffer_add_byte(table, 't');
        buffer_add_byte(table, value);
}

void header_add_null(struct buffer *table, const char *name)
{
        wire_add_name(table, name);
        buffer_add_byte(table, 'V');
}

void header_add_json(struct buffer *table, const char *name, const json_t *value)
{
        wire_add_name(table, name);
        wire_add_json(table, value);
}

void header_add_raw(struct buffer *table, const struct header *h)
{
        buffer_add_byte(table, (unsigned char)h->name.size);
        buffer_add(table, h->name.data, h->name.size);
        buffer_add_byte(table, (unsigned char)h->kind);
        buffer_add(table, h->value.data, h->value.size);
}

void wire_add_text(struct buffer *b, struct bytes text)
{
        buffer_add_byte(b, 'S');
        wire_add(b, text.size, 4);
        buffer_add(b, text.data, text.size);
}

void wire_add_number(struct buffer *b, int64_t number)
{
        const bool fits = number >= INT32_MIN && number <= INT32_MAX;
        buffer_add_byte(b, fits ? 'I' : 'l');
        wire_add(b, (uint64_t)number, fits ? 4 : 8);
}
