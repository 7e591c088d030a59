/* SPDX-License-Identifier: Apache-2.0 */
/* Would a provider take a schema in strict mode? One that it refuses fails each task that asks with it, so it is told at the start.
 * Source: OpenAI guide "Structured outputs", "Supported schemas": each object lists all of its properties as required and allows no
 * others; the root is an object; keywords that are not supported are refused, so that a misspelt one is, too. */
#include "ai/ai.h"

#include "ai/wire/schema.h"
#include "core/text/nearest.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MOST_DEPTH = 100, PLACE_SIZE = 240 };

struct strict {
        const json_t *root;
        struct problem *why;
        char place[PLACE_SIZE]; /* JSON pointer (RFC 6901) of what is looked at */
        unsigned depth;
};

/* 0 = fine, 1 = not; then s->why says why. `rule` is a keyword's value, `within` the object that it stands in. */
typedef int strict_rule(struct strict *s, const json_t *rule, const json_t *within);

static strict_rule strict_any, strict_type, strict_choices, strict_properties, strict_named, strict_closed,
        strict_schema, strict_alternatives, strict_ref;

static const struct strict_keyword {
        const char *name;
        strict_rule *check;
} strict_keywords[] = {
        { "type", strict_type },
        { "properties", strict_properties },
        { "required", strict_any }, /* strict_object looks at it */
        { "additionalProperties", strict_closed },
        { "items", strict_schema },
        { "anyOf", strict_alternatives },
        { "enum", strict_choices },
        { "const", strict_any },
        { "$ref", strict_ref },
        { "$defs", strict_named },
        { "definitions", strict_named },
        { "title", strict_any },
        { "description", strict_any },
        { "pattern", strict_any },
        { "format", strict_any },
        { "minLength", strict_any },
        { "maxLength", strict_any },
        { "minimum", strict_any },
        { "maximum", strict_any },
        { "exclusiveMinimum", strict_any },
        { "exclusiveMaximum", strict_any },
        { "multipleOf", strict_any },
        { "minItems", strict_any },
        { "maxItems", strict_any },
        { "$schema", strict_any },
};
enum { STRICT_KEYWORDS = sizeof(strict_keywords) / sizeof(strict_keywords[0]) };

static int strict_refuse(const struct strict *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int strict_object(struct strict *s, const json_t *schema);
static bool strict_has_type(const json_t *schema, const char *type);

int ai_schema_strict(const json_t *schema, struct problem *why)
{
        struct strict s = { .root = schema, .why = why };
        const char *type = json_string_value(json_object_get(schema, "type"));
        if (json_object_get(schema, "anyOf"))
                return strict_refuse(&s, "an answer is one object: anyOf can't stand here");
        if (!type || strcmp(type, "object") != 0)
                return strict_refuse(&s, "an answer is an object: \"type\" must be \"object\"");
        return strict_schema(&s, schema, NULL);
}

/* ---- one schema ---- */

static const struct strict_keyword *strict_find(const char *name)
{
        for (size_t i = 0; i < STRICT_KEYWORDS; i++)
                if (strcmp(strict_keywords[i].name, name) == 0)
                        return &strict_keywords[i];
        return NULL;
}

static int strict_unknown(const struct strict *s, const char *name)
{
        const char *names[STRICT_KEYWORDS];
        for (size_t i = 0; i < STRICT_KEYWORDS; i++)
                names[i] = strict_keywords[i].name;
        char offer[NEAREST_OFFER_SIZE];
        return strict_refuse(s, "there is no keyword \"%.60s\" in strict mode%s", name,
                             nearest_offer(offer, name, names, STRICT_KEYWORDS, ""));
}

/* Go one step down the pointer. Returns where it ended before, for strict_up. */
static size_t strict_down(struct strict *s, const char *step)
{
        const size_t before = strlen(s->place);
        size_t used = before;
        if (used + 1 < PLACE_SIZE)
                s->place[used++] = '/';
        for (; *step && used + 2 < PLACE_SIZE; step++) {
                const bool escaped = *step == '~' || *step == '/';
                s->place[used++] = escaped ? '~' : *step;
                if (escaped)
                        s->place[used++] = *step == '~' ? '0' : '1';
        }
        s->place[used] = '\0';
        return before;
}

static void strict_up(struct strict *s, size_t before)
{
        s->place[before] = '\0';
}

static int strict_keyword(struct strict *s, const char *name, const json_t *rule, const json_t *schema)
{
        const struct strict_keyword *keyword = strict_find(name);
        if (!keyword)
                return strict_unknown(s, name);
        const size_t before = strict_down(s, name);
        const int rc = keyword->check(s, rule, schema);
        if (rc == 0)
                strict_up(s, before);
        return rc;
}

static int strict_schema(struct strict *s, const json_t *schema, const json_t *unused)
{
        (void)unused;
        if (!json_is_object(schema))
                return strict_refuse(s, "a schema must be an object");
        if (s->depth >= MOST_DEPTH)
                return strict_refuse(s, "the schema is more than %d deep", MOST_DEPTH);
        s->depth++;
        json_t *object = (json_t *)schema; /* jansson's iterators want it so, and change nothing */
        for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i))
                if (strict_keyword(s, json_object_iter_key(i), json_object_iter_value(i), schema) != 0)
                        return 1;
        s->depth--;
        static const char *const kinds[] = { "type", "anyOf", "$ref", "enum", "const" };
        bool any = false;
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                any |= json_object_get(schema, kinds[i]) != NULL;
        if (!any)
                return strict_refuse(s, "\"type\" is missing");
        if (strict_has_type(schema, "array") && !json_object_get(schema, "items"))
                return strict_refuse(s, "an array needs \"items\"");
        return strict_has_type(schema, "object") || json_object_get(schema, "properties") ? strict_object(s, schema)
                                                                                          : 0;
}

/* All properties are required, what is required is a property, and nothing else may come. */
static int strict_object(struct strict *s, const json_t *schema)
{
        json_t *properties = json_object_get(schema, "properties"), *required = json_object_get(schema, "required");
        const char *key;
        json_t *member;
        size_t i, k;
        if (!json_is_false(json_object_get(schema, "additionalProperties")))
                return strict_refuse(s, "\"additionalProperties\": false is missing");
        if (required && !json_is_array(required))
                return strict_refuse(s, "\"required\" must be an array");
        json_array_foreach(required, i, member) {
                key = json_string_value(member);
                if (!key || !json_object_get(properties, key))
                        return strict_refuse(s, "\"required\" names \"%.60s\", which is no property", key ? key : "");
        }
        json_object_foreach(properties, key, member) {
                for (k = 0; k < json_array_size(required); k++)
                        if (strcmp(json_string_value(json_array_get(required, k)), key) == 0)
                                break;
                if (k == json_array_size(required))
                        return strict_refuse(s,
                                             "\"required\" lacks the property \"%.60s\": all must be in it; "
                                             "one that may be absent has \"null\" among its types",
                                             key);
        }
        return 0;
}

/* ---- keywords ---- */

static int strict_any(struct strict *s, const json_t *rule, const json_t *schema)
{
        (void)s, (void)rule, (void)schema;
        return 0;
}

static int strict_one_type(struct strict *s, const json_t *type)
{
        static const char *const types[] = { "object", "array", "string", "integer", "number", "boolean", "null" };
        const char *name = json_string_value(type);
        for (size_t i = 0; name && i < sizeof(types) / sizeof(types[0]); i++)
                if (strcmp(types[i], name) == 0)
                        return 0;
        char offer[NEAREST_OFFER_SIZE];
        return strict_refuse(s, "there is no type \"%.60s\"%s", name ? name : "",
                             nearest_offer(offer, name ? name : "", types, sizeof(types) / sizeof(types[0]), ""));
}

static int strict_type(struct strict *s, const json_t *rule, const json_t *schema)
{
        (void)schema;
        if (!json_is_array(rule))
                return strict_one_type(s, rule);
        for (size_t i = 0; i < json_array_size(rule); i++)
                if (strict_one_type(s, json_array_get(rule, i)) != 0)
                        return 1;
        return json_array_size(rule) > 0 ? 0 : strict_refuse(s, "no type is named");
}

static int strict_choices(struct strict *s, const json_t *rule, const json_t *schema)
{
        (void)schema;
        return json_array_size(rule) > 0 ? 0 : strict_refuse(s, "it must be an array of at least one value");
}

static int strict_closed(struct strict *s, const json_t *rule, const json_t *schema)
{
        (void)schema;
        return json_is_false(rule) ? 0 : strict_refuse(s, "it must be false");
}

/* Schemas by name: under "properties" and "$defs". */
static int strict_named(struct strict *s, const json_t *rule, const json_t *schema)
{
        (void)schema;
        json_t *object = (json_t *)rule;
        if (!json_is_object(rule))
                return strict_refuse(s, "it must be an object of schemas");
        for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
                const size_t before = strict_down(s, json_object_iter_key(i));
                if (strict_schema(s, json_object_iter_value(i), NULL) != 0)
                        return 1;
                strict_up(s, before);
        }
        return 0;
}

static int strict_properties(struct strict *s, const json_t *rule, const json_t *schema)
{
        if (!strict_has_type(schema, "object"))
                return strict_refuse(s, "they belong to \"type\": \"object\"");
        return strict_named(s, rule, schema);
}

static int strict_alternatives(struct strict *s, const json_t *rule, const json_t *schema)
{
        (void)schema;
        if (json_array_size(rule) == 0)
                return strict_refuse(s, "it must be an array of at least one schema");
        for (size_t i = 0; i < json_array_size(rule); i++) {
                char step[24];
                snprintf(step, sizeof(step), "%zu", i);
                const size_t before = strict_down(s, step);
                if (strict_schema(s, json_array_get(rule, i), NULL) != 0)
                        return 1;
                strict_up(s, before);
        }
        return 0;
}

static int strict_ref(struct strict *s, const json_t *rule, const json_t *schema)
{
        (void)schema;
        const char *ref = json_string_value(rule);
        return ref && schema_resolve(s->root, ref)
                       ? 0
                       : strict_refuse(s, "it refers to \"%.60s\", which the schema does not have", ref ? ref : "");
}

/* ---- helpers ---- */

static int strict_refuse(const struct strict *s, const char *format, ...)
{
        struct problem p = { 0 };
        va_list args;
        va_start(args, format);
        vsnprintf(p.text, sizeof(p.text), format, args);
        va_end(args);
        return problem_set(s->why, "task", "bad_data", "at %s: %s", s->place[0] ? s->place : "its root", p.text);
}

static bool strict_has_type(const json_t *schema, const char *type)
{
        const json_t *types = json_object_get(schema, "type");
        if (json_is_string(types))
                return strcmp(json_string_value(types), type) == 0;
        for (size_t i = 0; i < json_array_size(types); i++) {
                const char *one = json_string_value(json_array_get(types, i));
                if (one && strcmp(one, type) == 0)
                        return true;
        }
        return false;
}
