/* SPDX-License-Identifier: Apache-2.0 */
#include "core/json.h"

#include <stdlib.h>
#include <string.h>

/* How deep brackets nest, without building anything; stops counting past the limit. */
static int depth_of(struct bytes text)
{
        int depth = 0, deepest = 0;
        bool quoted = false;
        for (size_t i = 0; i < text.size && deepest <= JSON_MAX_DEPTH; i++) {
                const unsigned char c = text.data[i];
                if (quoted) {
                        if (c == '\\')
                                i++;
                        else if (c == '"')
                                quoted = false;
                } else if (c == '"') {
                        quoted = true;
                } else if (c == '[' || c == '{') {
                        if (++depth > deepest)
                                deepest = depth;
                } else if (c == ']' || c == '}') {
                        depth--;
                }
        }
        return deepest;
}

int json_parse(struct bytes text, const char *source, json_t **out, struct problem *why)
{
        if (depth_of(text) > JSON_MAX_DEPTH)
                return problem_set(why, source, "bad_json", "JSON is nested deeper than %d levels", JSON_MAX_DEPTH);
        /* jansson 2.14 reads over a NUL that follows a number. */
        if (text.size > 0 && memchr(text.data, '\0', text.size))
                return problem_set(why, source, "bad_json", "not valid JSON: it holds a NUL byte");
        json_error_t error;
        json_t *value = json_loadb((const char *)text.data, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
        if (!value)
                return problem_set(why, source, "bad_json", "not valid JSON: %.300s at line %d, column %d", error.text,
                                   error.line, error.column);
        *out = value;
        return 0;
}

static int add_chunk(const char *data, size_t size, void *arg)
{
        struct buffer *b = (struct buffer *)arg;
        buffer_add(b, data, size);
        return b->failed ? -1 : 0;
}

void json_write(const json_t *value, struct buffer *b)
{
        if (json_dump_callback(value, add_chunk, b, JSON_COMPACT | JSON_ENCODE_ANY) != 0)
                b->failed = true;
}

const char *json_text(const json_t *object, const char *key, const char *otherwise)
{
        const char *text = json_string_value(json_object_get(object, key));
        return text ? text : otherwise;
}

json_int_t json_number(const json_t *object, const char *key, json_int_t otherwise)
{
        const json_t *value = json_object_get(object, key);
        if (json_is_integer(value))
                return json_integer_value(value);
        if (json_is_real(value)) {
                const double real = json_real_value(value);
                if (real > -9007199254740992.0 && real < 9007199254740992.0 && (double)(json_int_t)real == real)
                        return (json_int_t)real;
        }
        return otherwise;
}

static bool text_has_nul(const char *text, size_t size)
{
        return memchr(text, '\0', size) != NULL;
}

bool json_has_nul(const json_t *value)
{
        if (json_is_string(value))
                return text_has_nul(json_string_value(value), json_string_length(value));
        if (json_is_array(value)) {
                for (size_t i = 0; i < json_array_size(value); i++)
                        if (json_has_nul(json_array_get(value, i)))
                                return true;
        }
        const char *key;
        json_t *member;
        if (json_is_object(value)) {
                json_object_foreach((json_t *)value, key, member)
                        if (json_has_nul(member)) /* jansson refuses NUL in keys */
                                return true;
        }
        return false;
}
