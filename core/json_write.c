/* SPDX-License-Identifier: Apache-2.0 */
/* Writes JSON straight into a buffer. jansson's own writer looks at every character by itself and hands on small pieces, which
 * was a tenth of all that a worker did; what it writes is the same. */
#include "core/json.h"
#include "core/json_plain.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Deeper than anything that is read; only a value that holds itself gets there. */
enum { MOST_DEPTH = 2 * JSON_MAX_DEPTH };

static void json_write_value(const json_t *value, struct buffer *b, int depth);

void json_write(const json_t *value, struct buffer *b)
{
        if (value)
                json_write_value(value, b, 0);
        else
                b->failed = true;
}

static void write_escape(unsigned char c, struct buffer *b)
{
        static const char shorts[0x20] = { ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't' };
        char pair[2] = { '\\', (char)c };
        if (c < 0x20 && !shorts[c]) {
                buffer_addf(b, "\\u%04X", c);
                return;
        }
        if (c < 0x20)
                pair[1] = shorts[c];
        buffer_add(b, pair, 2);
}

void json_write_text(struct bytes text, struct buffer *b)
{
        bool ascii; /* what is not goes out as it is, too */
        buffer_add_byte(b, '"');
        for (size_t at = 0; at < text.size;) {
                const size_t run = json_plain_run(text.data + at, text.size - at, &ascii);
                buffer_add(b, text.data + at, run);
                at += run;
                if (at < text.size)
                        write_escape(text.data[at++], b);
        }
        buffer_add_byte(b, '"');
}

static void write_integer(json_int_t number, struct buffer *b)
{
        char text[24], *at = text + sizeof(text);
        uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
        do {
                *--at = (char)('0' + left % 10);
        } while (left /= 10);
        if (number < 0)
                *--at = '-';
        buffer_add(b, at, (size_t)(text + sizeof(text) - at));
}

/* As jansson finds the shortest form that reads back the same. */
static void write_real(const json_t *value, struct buffer *b)
{
        char *text = json_dumps(value, JSON_ENCODE_ANY);
        if (text)
                buffer_add_string(b, text);
        else
                b->failed = true;
        free(text);
}

static void write_array(const json_t *array, struct buffer *b, int depth)
{
        const size_t count = json_array_size(array);
        buffer_add_byte(b, '[');
        for (size_t i = 0; i < count; i++) {
                if (i)
                        buffer_add_byte(b, ',');
                json_write_value(json_array_get(array, i), b, depth + 1);
        }
        buffer_add_byte(b, ']');
}

static void write_object(json_t *object, struct buffer *b, int depth)
{
        void *first = json_object_iter(object);
        buffer_add_byte(b, '{');
        for (void *at = first; at; at = json_object_iter_next(object, at)) {
                if (at != first)
                        buffer_add_byte(b, ',');
                json_write_text(bytes_of_string(json_object_iter_key(at)), b);
                buffer_add_byte(b, ':');
                json_write_value(json_object_iter_value(at), b, depth + 1);
        }
        buffer_add_byte(b, '}');
}

static void json_write_value(const json_t *value, struct buffer *b, int depth)
{
        if (depth > MOST_DEPTH) {
                b->failed = true;
                return;
        }
        switch (json_typeof(value)) {
        case JSON_OBJECT: write_object((json_t *)(uintptr_t)value, b, depth); break;
        case JSON_ARRAY: write_array(value, b, depth); break;
        case JSON_STRING: json_write_text(bytes_of(json_string_value(value), json_string_length(value)), b); break;
        case JSON_INTEGER: write_integer(json_integer_value(value), b); break;
        case JSON_REAL: write_real(value, b); break;
        case JSON_TRUE: buffer_add(b, "true", 4); break;
        case JSON_FALSE: buffer_add(b, "false", 5); break;
        case JSON_NULL: buffer_add(b, "null", 4); break;
        }
}
