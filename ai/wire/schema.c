/* SPDX-License-Identifier: Apache-2.0 */
/* Does an answer fit its JSON Schema? The keywords are those that structured outputs know, bar "pattern" and "format", which
 * the provider alone enforces; any other keyword is ignored, as JSON Schema has it.
 * Sources: JSON Schema draft 2020-12, Validation; OpenAI guide "Structured outputs", "Supported schemas". */
#include "ai/wire/schema.h"

#include "ai/ai.h"
#include "ai/judge/redact.h"
#include "core/text/hex.h"
#include "core/text/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        MOST_DEPTH = 500,    /* of schemas in schemas; past it a schema refers to itself without end */
        MOST_STEPS = 200000, /* of all schemas tried; past it somebody built a bomb out of "anyOf" */
        PLACE_SIZE = 200,
};

/* Where in the value we are: a list that lives on the stack, from the leaf up. */
struct schema_place {
        const struct schema_place *up;
        const char *key; /* NULL = an array's element */
        size_t index;
};

struct check {
        const json_t *root; /* what "$ref" starts from */
        struct problem *why;
        unsigned depth, steps;
};

/* What one keyword looks at. */
struct spot {
        struct check *check;
        const json_t *rule;   /* the keyword's value */
        const json_t *schema; /* the object that it stands in */
        const json_t *value;
        const struct schema_place *at;
};

/* 0 = fits, 1 = does not; then check->why says why. */
typedef int keyword_check(const struct spot *s);

static keyword_check ai_schema_check_type, check_enum, check_const, check_properties, check_required, check_additional,
        check_items, check_multiple_of, check_any_of, check_ref;

static const struct {
        const char *name;
        keyword_check *check;
} keywords[] = {
        { "type", ai_schema_check_type },
        { "properties", check_properties },
        { "required", check_required },
        { "additionalProperties", check_additional },
        { "enum", check_enum },
        { "items", check_items },
        { "const", check_const },
        { "anyOf", check_any_of },
        { "$ref", check_ref },
        { "multipleOf", check_multiple_of },
};

/* Keywords that set a bound to some measure of a value; the measure is NAN where the keyword does not speak of such a value. */
typedef long double measure_of(const json_t *value);

static measure_of ai_schema_number, schema_members, schema_elements, schema_characters;

static const struct bound {
        const char *name;
        measure_of *measure;
        bool lower, open; /* open: the bound itself is out */
        const char *words;
} bounds[] = {
        { "minItems", schema_elements, true, false, "too few elements" },
        { "maxItems", schema_elements, false, false, "too many elements" },
        { "minLength", schema_characters, true, false, "too short a text" },
        { "maxLength", schema_characters, false, false, "too long a text" },
        { "minimum", ai_schema_number, true, false, "too small a number" },
        { "maximum", ai_schema_number, false, false, "too large a number" },
        { "exclusiveMinimum", ai_schema_number, true, true, "too small a number" },
        { "exclusiveMaximum", ai_schema_number, false, true, "too large a number" },
        { "minProperties", schema_members, true, false, "too few members" },
        { "maxProperties", schema_members, false, false, "too many members" },
};

static int check_value(struct check *c, const json_t *schema, const json_t *value, const struct schema_place *at);
static int check_keywords(struct check *c, const json_t *schema, const json_t *value, const struct schema_place *at);
static int schema_breaks(const struct spot *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int check_bound(const struct bound *bound, const struct spot *s);
static const char *kind_of(const json_t *value);
static bool is_type(const json_t *value, const char *type);
static bool schema_same(const json_t *a, const json_t *b);

int ai_schema_check(const json_t *schema, const json_t *value, struct problem *why)
{
        struct check c = { .root = schema, .why = why };
        return check_value(&c, schema, value, NULL);
}

static int check_value(struct check *c, const json_t *schema, const json_t *value, const struct schema_place *at)
{
        const struct spot here = { .check = c, .at = at };
        if (json_is_false(schema))
                return schema_breaks(&here, "nothing is allowed here");
        if (++c->steps > MOST_STEPS || c->depth >= MOST_DEPTH)
                return schema_breaks(&here, "the schema is too deep or refers to itself");
        c->depth++;
        const int result = check_keywords(c, schema, value, at);
        c->depth--;
        return result;
}

static int check_keyword(const char *name, const struct spot *s)
{
        for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
                if (strcmp(keywords[i].name, name) == 0)
                        return keywords[i].check(s);
        for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++)
                if (strcmp(bounds[i].name, name) == 0)
                        return check_bound(&bounds[i], s);
        return 0;
}

static int check_keywords(struct check *c, const json_t *schema, const json_t *value, const struct schema_place *at)
{
        json_t *object = (json_t *)schema; /* jansson's iterators want it so, and change nothing */
        for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
                const struct spot spot = { c, json_object_iter_value(i), schema, value, at };
                if (check_keyword(json_object_iter_key(i), &spot) != 0)
                        return 1;
        }
        return 0;
}

/* ---- any value ---- */

static int ai_schema_check_type(const struct spot *s)
{
        if (json_is_string(s->rule)) {
                if (is_type(s->value, json_string_value(s->rule)))
                        return 0;
                return schema_breaks(s, "expected %.20s, found %s", json_string_value(s->rule), kind_of(s->value));
        }
        for (size_t i = 0; i < json_array_size(s->rule); i++) {
                const char *type = json_string_value(json_array_get(s->rule, i));
                if (type && is_type(s->value, type))
                        return 0;
        }
        return json_is_array(s->rule) ? schema_breaks(s, "found %s, which is none of its types", kind_of(s->value)) : 0;
}

static int check_enum(const struct spot *s)
{
        for (size_t i = 0; i < json_array_size(s->rule); i++)
                if (schema_same(json_array_get(s->rule, i), s->value))
                        return 0;
        if (json_is_string(s->value))
                return schema_breaks(s, "'%.60s' is not among its choices", json_string_value(s->value));
        return schema_breaks(s, "%s is not among its choices", kind_of(s->value));
}

static int check_const(const struct spot *s)
{
        return schema_same(s->rule, s->value) ? 0 : schema_breaks(s, "not the one value allowed here");
}

static int check_any_of(const struct spot *s)
{
        struct problem *why = s->check->why;
        s->check->why = NULL;
        int result = json_is_array(s->rule);
        for (size_t i = 0; result != 0 && i < json_array_size(s->rule); i++)
                result = check_value(s->check, json_array_get(s->rule, i), s->value, s->at);
        s->check->why = why;
        return result == 0 ? 0 : schema_breaks(s, "fits none of its alternatives");
}

static int check_ref(const struct spot *s)
{
        const char *ref = json_string_value(s->rule);
        const json_t *target = ref ? schema_resolve(s->check->root, ref) : NULL;
        if (!target)
                return schema_breaks(s, "the schema refers to '%.60s', which it does not have", ref ? ref : "");
        return check_value(s->check, target, s->value, s->at);
}

/* ---- objects ---- */

static int check_properties(const struct spot *s)
{
        json_t *object = (json_t *)s->value;
        for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
                const struct schema_place here = { .up = s->at, .key = json_object_iter_key(i) };
                const json_t *member = json_object_get(s->rule, here.key);
                if (member && check_value(s->check, member, json_object_iter_value(i), &here) != 0)
                        return 1;
        }
        return 0;
}

static int check_required(const struct spot *s)
{
        for (size_t i = 0; json_is_object(s->value) && i < json_array_size(s->rule); i++) {
                const char *key = json_string_value(json_array_get(s->rule, i));
                if (key && !json_object_get(s->value, key))
                        return schema_breaks(s, "'%.60s' is missing", key);
        }
        return 0;
}

static int check_additional(const struct spot *s)
{
        const json_t *known = json_object_get(s->schema, "properties");
        json_t *object = (json_t *)s->value;
        for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
                const struct schema_place here = { .up = s->at, .key = json_object_iter_key(i) };
                if (json_object_get(known, here.key))
                        continue;
                if (json_is_false(s->rule))
                        return schema_breaks(s, "'%.60s' does not belong here", here.key);
                if (check_value(s->check, s->rule, json_object_iter_value(i), &here) != 0)
                        return 1;
        }
        return 0;
}

/* ---- arrays ---- */

static int check_items(const struct spot *s)
{
        for (size_t i = 0; i < json_array_size(s->value); i++) {
                const struct schema_place here = { .up = s->at, .index = i };
                if (check_value(s->check, s->rule, json_array_get(s->value, i), &here) != 0)
                        return 1;
        }
        return 0;
}

/* ---- numbers, and how many ---- */

static int check_bound(const struct bound *bound, const struct spot *s)
{
        const long double measure = bound->measure(s->value), limit = ai_schema_number(s->rule);
        if (isnan(measure) || isnan(limit) || (!bound->open && measure == limit))
                return 0;
        return (bound->lower ? measure > limit : measure < limit) ? 0 : schema_breaks(s, "%s", bound->words);
}

static int check_multiple_of(const struct spot *s)
{
        if (!json_is_number(s->value) || !(ai_schema_number(s->rule) > 0))
                return 0;
        const long double times = ai_schema_number(s->value) / ai_schema_number(s->rule);
        const long double off = fabsl(times - roundl(times)); /* 0.3 / 0.1 is not quite 3 */
        return off <= 1e-9L * fmaxl(1, fabsl(times)) ? 0 : schema_breaks(s, "not a multiple of its step");
}

/* ---- helpers ---- */

/* Write the way from the root to here as a JSON pointer (RFC 6901); returns where the text ends. */
static size_t write_place(const struct schema_place *at, char *out, size_t capacity)
{
        if (!at || capacity < 2)
                return 0;
        const size_t used = write_place(at->up, out, capacity);
        const int size = at->key ? snprintf(out + used, capacity - used, "/%s", at->key)
                                 : snprintf(out + used, capacity - used, "/%zu", at->index);
        if (size < 0 || (size_t)size >= capacity - used)
                return capacity - 1;
        return used + (size_t)size;
}

static int schema_breaks(const struct spot *s, const char *format, ...)
{
        char place[PLACE_SIZE] = "", what[160];
        if (!s->check->why)
                return 1;
        write_place(s->at, place, sizeof(place));
        va_list args;
        va_start(args, format);
        vsnprintf(what, sizeof(what), format, args);
        va_end(args);
        redact_clean(place);
        redact_clean(what);
        return problem_set(s->check->why, "provider", "schema_mismatch", "the answer breaks its schema at %s: %s",
                           *place ? place : "its root", what);
}

static const char *kind_of(const json_t *value)
{
        switch (json_typeof(value)) {
        case JSON_OBJECT: return "object";
        case JSON_ARRAY: return "array";
        case JSON_STRING: return "string";
        case JSON_INTEGER: return "integer";
        case JSON_REAL: return "number";
        case JSON_TRUE:
        case JSON_FALSE: return "boolean";
        case JSON_NULL: break;
        }
        return "null";
}

static bool is_type(const json_t *value, const char *type)
{
        if (json_is_integer(value))
                return strcmp(type, "integer") == 0 || strcmp(type, "number") == 0;
        if (json_is_real(value) && strcmp(type, "integer") == 0)
                return truncl(ai_schema_number(value)) == ai_schema_number(value); /* 1.0 is an integer */
        return strcmp(type, kind_of(value)) == 0;
}

/* Holds both 64-bit integers and doubles without loss where long double has 64 bits of mantissa. */
static long double ai_schema_number(const json_t *value)
{
        if (json_is_integer(value))
                return (long double)json_integer_value(value);
        return json_is_real(value) ? (long double)json_real_value(value) : (long double)NAN;
}

static long double schema_members(const json_t *value)
{
        return json_is_object(value) ? (long double)json_object_size(value) : (long double)NAN;
}

static long double schema_elements(const json_t *value)
{
        return json_is_array(value) ? (long double)json_array_size(value) : (long double)NAN;
}

static long double schema_characters(const json_t *value)
{
        return json_is_string(value) ? (long double)utf8_count(json_string_value(value), json_string_length(value))
                                     : (long double)NAN;
}

/* Equal as JSON Schema has it: 1 and 1.0 are, which json_equal denies. */
static bool schema_same(const json_t *a, const json_t *b)
{
        if (json_is_number(a) && json_is_number(b))
                return ai_schema_number(a) == ai_schema_number(b);
        if (json_typeof(a) != json_typeof(b) || json_array_size(a) != json_array_size(b) ||
            json_object_size(a) != json_object_size(b))
                return false;
        for (size_t i = 0; i < json_array_size(a); i++)
                if (!schema_same(json_array_get(a, i), json_array_get(b, i)))
                        return false;
        json_t *object = (json_t *)a;
        for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
                const json_t *other = json_object_get(b, json_object_iter_key(i));
                if (!other || !schema_same(json_object_iter_value(i), other))
                        return false;
        }
        return json_is_array(a) || json_is_object(a) || json_equal(a, b);
}

/* One step of a pointer in a URI fragment, unescaped (~0, ~1, %xx); returns what follows it. */
static const char *pointer_step(const char *at, char *out, size_t capacity)
{
        size_t used = 0;
        for (; *at && *at != '/'; at++) {
                const int escaped = hex_escape(at, strnlen(at, 3));
                char c = escaped > 0 ? (char)escaped : *at;
                at += escaped > 0 ? 2 : 0;
                if (c == '~' && (at[1] == '0' || at[1] == '1'))
                        c = *++at == '0' ? '~' : '/';
                if (used + 1 < capacity)
                        out[used++] = c;
        }
        out[used] = '\0';
        return at;
}

const json_t *schema_resolve(const json_t *root, const char *ref)
{
        char step[128];
        if (*ref++ != '#')
                return NULL;
        while (root && *ref == '/') {
                ref = pointer_step(ref + 1, step, sizeof(step));
                root = json_is_array(root) ? json_array_get(root, strtoul(step, NULL, 10))
                                           : json_object_get(root, step);
        }
        return *ref == '\0' ? root : NULL;
}
