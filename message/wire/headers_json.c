/* SPDX-License-Identifier: Apache-2.0 */
/* Field tables from and to JSON: for stamps and custom headers on the way out, for people on the way in. */
#include "core/clock.h"
#include "message/wire/base64.h"
#include "message/wire/wire.h"

#include <math.h>

/* ---- JSON to a table ---- */

static void headers_json_add_item(struct buffer *b, const json_t *value, unsigned depth);

static void add_array(struct buffer *b, const json_t *array, unsigned depth)
{
        buffer_add_byte(b, 'A');
        const size_t start = wire_begin(b);
        for (size_t i = 0; i < json_array_size(array); i++)
                headers_json_add_item(b, json_array_get(array, i), depth);
        wire_end(b, start);
}

static void add_table(struct buffer *b, const json_t *object, unsigned depth)
{
        const char *key;
        json_t *value;
        buffer_add_byte(b, 'F');
        const size_t start = wire_begin(b);
        json_object_foreach((json_t *)object, key, value) {
                wire_add_name(b, key);
                headers_json_add_item(b, value, depth);
        }
        wire_end(b, start);
}

static void add_real(struct buffer *b, double real)
{
        uint64_t bits;
        memcpy(&bits, &real, sizeof(bits));
        buffer_add_byte(b, 'd');
        wire_add(b, bits, 8);
}

static void add_bool(struct buffer *b, bool value)
{
        buffer_add_byte(b, 't');
        buffer_add_byte(b, value);
}

/* `depth`: how many levels may still be opened. */
static void headers_json_add_item(struct buffer *b, const json_t *value, unsigned depth)
{
        if (json_is_string(value))
                wire_add_text(b, bytes_of(json_string_value(value), json_string_length(value)));
        else if (json_is_integer(value))
                wire_add_number(b, json_integer_value(value));
        else if (json_is_real(value))
                add_real(b, json_real_value(value));
        else if (json_is_boolean(value))
                add_bool(b, json_is_true(value));
        else if (json_is_array(value) && depth > 0)
                add_array(b, value, depth - 1);
        else if (json_is_object(value) && depth > 0)
                add_table(b, value, depth - 1);
        else
                buffer_add_byte(b, 'V');
}

void wire_add_json(struct buffer *b, const json_t *value)
{
        headers_json_add_item(b, value, WIRE_DEEPEST);
}

/* ---- a table to JSON ---- */

static json_t *json_of(const struct header *h);

/* Bytes as text: as they are, where they may be text and are UTF-8, else in base64. */
static json_t *json_of_bytes(struct bytes raw, bool text)
{
        json_t *value = text ? json_stringn((const char *)raw.data, raw.size) : NULL;
        if (value)
                return value;
        struct buffer encoded = { 0 };
        base64_encode(raw, &encoded);
        value = encoded.failed ? NULL : json_stringn((const char *)encoded.data, encoded.size);
        buffer_free(&encoded);
        return value;
}

static json_t *json_of_decimal(const unsigned char *at)
{
        return json_real((double)(int32_t)wire_read(at + 1, 4) / pow(10, at[0]));
}

/* Seconds since 1970; as a plain number where they are beyond the calendar. */
static json_t *json_of_time(uint64_t seconds)
{
        char text[CLOCK_TEXT_SIZE];
        if (seconds > 253402300799) /* the end of the year 9999 */
                return json_integer((json_int_t)seconds);
        clock_format((int64_t)seconds * 1000, text);
        return json_string(text);
}

static json_t *json_of_array(struct bytes inside)
{
        struct header item;
        json_t *array = json_array();
        for (size_t at = 0; array && wire_next_item(inside, &at, &item);)
                if (json_array_append_new(array, json_of(&item)) != 0) {
                        json_decref(array);
                        return NULL;
                }
        return array;
}

static int set_member(json_t *object, struct bytes name, json_t *takes)
{
        json_t *key = json_of_bytes(name, !memchr(name.data, '\0', name.size));
        int rc = key ? json_object_set_new(object, json_string_value(key), takes) : (json_decref(takes), -1);
        json_decref(key);
        return rc;
}

json_t *headers_to_json(struct bytes table)
{
        struct header h;
        json_t *object = json_object();
        for (size_t at = 0; object && header_next(table, &at, &h);)
                if (set_member(object, h.name, json_of(&h)) != 0) {
                        json_decref(object);
                        return NULL;
                }
        return object;
}

/* New reference, or NULL when memory ran out. */
static json_t *json_of(const struct header *h)
{
        int64_t number;
        double real;
        if (header_number(h, &number))
                return json_integer(number);
        if (wire_real(h, &real))
                return isfinite(real) ? json_real(real) : json_null();
        switch (h->kind) {
        case 'S': return json_of_bytes(wire_inside(h), true);
        case 'x': return json_of_bytes(wire_inside(h), false);
        case 't': return json_boolean(h->value.data[0]);
        case 'T': return json_of_time(wire_read(h->value.data, 8));
        case 'D': return json_of_decimal(h->value.data);
        case 'A': return json_of_array(wire_inside(h));
        case 'F': return headers_to_json(wire_inside(h));
        default: return json_null();
        }
}
