/* SPDX-License-Identifier: Apache-2.0 */
/* Reads JSON into jansson's values. jansson's own reader takes every byte by itself from a callback, which was a tenth of all
 * that a worker did. This one knows what is common and valid; whatever it doesn't understand, jansson is asked about: it then
 * says what is wrong, or reads it. */
#include "core/json.h"
#include "core/json_plain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct json_reader {
        const unsigned char *at, *end;
        struct buffer text; /* a string whose escapes are being resolved */
};

static json_t *read_value(struct json_reader *r, int depth);

/* ---- what stands between values ---- */

static void json_skip_space(struct json_reader *r)
{
        while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
                r->at++;
}

/* Take the byte if it comes next, with the space before it. */
static bool json_read_take(struct json_reader *r, unsigned char wanted)
{
        json_skip_space(r);
        if (r->at == r->end || *r->at != wanted)
                return false;
        r->at++;
        return true;
}

static json_t *take_word(struct json_reader *r, const char *word, json_t *value)
{
        const size_t size = strlen(word);
        if ((size_t)(r->end - r->at) < size || memcmp(r->at, word, size) != 0)
                return NULL;
        r->at += size;
        return value;
}

/* ---- strings ---- */

/* The character behind a backslash. The rarer \u is left to jansson. */
static bool add_escape(struct json_reader *r)
{
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        const char *found = r->at < r->end && *r->at ? strchr(from, *r->at) : NULL;
        if (!found)
                return false;
        buffer_add_byte(&r->text, (unsigned char)to[found - from]);
        r->at++;
        return true;
}

/* The rest of a string behind its quote. Borrowed: from the input where it has no escape, else from r->text. */
static bool json_read_text(struct json_reader *r, struct bytes *out, bool *ascii)
{
        const unsigned char *start = r->at;
        *ascii = true;
        buffer_reset(&r->text);
        r->at += json_plain_run(r->at, (size_t)(r->end - r->at), ascii);
        if (r->at < r->end && *r->at == '"') {
                *out = bytes_of(start, (size_t)(r->at++ - start));
                return true;
        }
        buffer_add(&r->text, start, (size_t)(r->at - start));
        while (r->at < r->end && *r->at == '\\') {
                r->at++;
                if (!add_escape(r))
                        return false;
                const size_t run = json_plain_run(r->at, (size_t)(r->end - r->at), ascii);
                buffer_add(&r->text, r->at, run);
                r->at += run;
        }
        *out = buffer_view(&r->text);
        return r->at < r->end && *r->at++ == '"' && !r->text.failed;
}

/* jansson looks whether it is UTF-8. */
static json_t *read_string(struct json_reader *r)
{
        struct bytes text;
        bool ascii;
        if (!json_read_text(r, &text, &ascii))
                return NULL;
        return ascii ? json_stringn_nocheck((const char *)text.data, text.size)
                     : json_stringn((const char *)text.data, text.size);
}

/* ---- numbers ---- */

/* What is no plain integer of at most 18 digits is left to jansson. */
static json_t *json_read_number(struct json_reader *r)
{
        enum { MOST_DIGITS = 18 };
        const bool negative = *r->at == '-';
        const unsigned char *start = r->at + negative, *at = start;
        json_int_t number = 0;
        for (; at < r->end && *at >= '0' && *at <= '9' && at - start < MOST_DIGITS; at++)
                number = number * 10 + (*at - '0');
        const bool more = at < r->end && ((*at >= '0' && *at <= '9') || *at == '.' || *at == 'e' || *at == 'E');
        if (at == start || (*start == '0' && at - start > 1) || more)
                return NULL;
        r->at = at;
        return json_integer(negative ? -number : number);
}

/* ---- arrays and objects ---- */

static json_t *read_array(struct json_reader *r, int depth)
{
        json_t *array = json_array();
        if (!array || json_read_take(r, ']'))
                return array;
        do {
                json_t *value = read_value(r, depth + 1);
                if (!value || json_array_append_new(array, value) != 0) {
                        json_decref(array);
                        return NULL;
                }
        } while (json_read_take(r, ','));
        if (json_read_take(r, ']'))
                return array;
        json_decref(array);
        return NULL;
}

/* One key and its value; the last of several wins. `ascii` keys need no look from jansson. */
static bool read_member(struct json_reader *r, json_t *object, int depth)
{
        enum { MOST_KEY = 256 };
        char key[MOST_KEY];
        struct bytes text;
        bool ascii;
        if (!json_read_take(r, '"') || !json_read_text(r, &text, &ascii) || text.size >= MOST_KEY ||
            !json_read_take(r, ':'))
                return false;
        memcpy(key, text.data, text.size); /* the next string may take r->text's place, and jansson wants a NUL */
        key[text.size] = '\0';
        json_t *value = read_value(r, depth + 1);
        if (!value)
                return false;
        return (ascii ? json_object_set_new_nocheck(object, key, value) : json_object_set_new(object, key, value)) == 0;
}

static json_t *read_object(struct json_reader *r, int depth)
{
        json_t *object = json_object();
        if (!object || json_read_take(r, '}'))
                return object;
        do {
                if (!read_member(r, object, depth)) {
                        json_decref(object);
                        return NULL;
                }
        } while (json_read_take(r, ','));
        if (json_read_take(r, '}'))
                return object;
        json_decref(object);
        return NULL;
}

static json_t *read_value(struct json_reader *r, int depth)
{
        json_skip_space(r);
        if (r->at == r->end || (depth >= JSON_MAX_DEPTH && (*r->at == '{' || *r->at == '[')))
                return NULL;
        switch (*r->at) {
        case '{': r->at++; return read_object(r, depth);
        case '[': r->at++; return read_array(r, depth);
        case '"': r->at++; return read_string(r);
        case 't': return take_word(r, "true", json_true());
        case 'f': return take_word(r, "false", json_false());
        case 'n': return take_word(r, "null", json_null());
        default: return *r->at == '-' || (*r->at >= '0' && *r->at <= '9') ? json_read_number(r) : NULL;
        }
}

static json_t *json_read_all(struct bytes text)
{
        if (text.size == 0)
                return NULL;
        struct json_reader r = { .at = text.data, .end = text.data + text.size };
        json_t *value = read_value(&r, 0);
        json_skip_space(&r);
        if (value && r.at != r.end) {
                json_decref(value);
                value = NULL;
        }
        buffer_free(&r.text);
        return value;
}

/* ---- what jansson is asked about ---- */

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

static int ask_jansson(struct bytes text, const char *source, json_t **out, struct problem *why)
{
        if (depth_of(text) > JSON_MAX_DEPTH)
                return problem_set(why, source, "bad_json", "JSON is nested deeper than %d levels", JSON_MAX_DEPTH);
        /* jansson 2.14 reads over a NUL that follows a number. */
        if (text.size > 0 && memchr(text.data, '\0', text.size))
                return problem_set(why, source, "bad_json", "not valid JSON: it holds a NUL byte");
        json_error_t error;
        const unsigned long lost = json_memory_lost();
        json_t *value = json_loadb((const char *)text.data, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
        if (!value && (json_memory_lost() != lost || !*error.text)) { /* it says a reason for everything else */
                problem_set(why, source, "out_of_memory", "memory ran out while JSON was read");
                return -ENOMEM;
        }
        if (!value)
                return problem_set(why, source, "bad_json", "not valid JSON: %.300s at line %d, column %d", error.text,
                                   error.line, error.column);
        *out = value;
        return 0;
}

int json_parse(struct bytes text, const char *source, json_t **out, struct problem *why)
{
        json_t *value = json_read_all(text);
        if (!value)
                return ask_jansson(text, source, out, why);
        *out = value;
        return 0;
}
