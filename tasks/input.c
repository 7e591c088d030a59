/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/input.h"

#include "core/bytes.h"
#include "core/text/nearest.h"
#include "core/text/utf8.h"

#include <string.h>

/* Where a complaint goes. */
struct input_complaint {
        const char *source, *code;
        struct problem *why;
};

#define complain(to, ...) problem_set((to)->why, (to)->source, (to)->code, __VA_ARGS__)

static int check_known(const struct input_key keys[], const json_t *input, const struct input_complaint *to);
static int check_key(const struct input_key *key, const json_t *value, const struct input_complaint *to);

int input_check(const struct input_key keys[], const json_t *input, const char *source, const char *code,
                struct problem *why)
{
        const struct input_complaint to = { source, code, why };
        if (!json_is_object(input))
                return complain(&to, "the input is %s, not an object", json_kind(input));
        if (check_known(keys, input, &to) != 0)
                return 1;
        for (const struct input_key *key = keys; key->name; key++)
                if (check_key(key, json_object_get(input, key->name), &to) != 0)
                        return 1;
        return 0;
}

const char *json_kind(const json_t *value)
{
        if (!value)
                return "absent";
        switch (json_typeof(value)) {
        case JSON_OBJECT: return "an object";
        case JSON_ARRAY: return "an array";
        case JSON_STRING: return "a text";
        case JSON_INTEGER:
        case JSON_REAL: return "a number";
        case JSON_TRUE:
        case JSON_FALSE: return "true or false";
        case JSON_NULL: break;
        }
        return "null";
}

static size_t names_of(const struct input_key keys[], const char *names[INPUT_MOST_KEYS])
{
        size_t count = 0;
        for (; count < INPUT_MOST_KEYS && keys[count].name; count++)
                names[count] = keys[count].name;
        return count;
}

static int complain_unknown(const char *const names[], size_t count, const char *name, const struct input_complaint *to)
{
        struct buffer known = { 0 };
        for (size_t i = 0; i < count; i++)
                buffer_addf(&known, "%s\"%s\"", i ? ", " : "", names[i]);
        complain(to, "unknown key \"%.60s\"; known are %.*s", name, (int)known.size, (const char *)known.data);
        buffer_free(&known);
        return 1;
}

static int check_known(const struct input_key keys[], const json_t *input, const struct input_complaint *to)
{
        const char *names[INPUT_MOST_KEYS], *name;
        size_t count = names_of(keys, names);
        json_t *value;
        json_object_foreach((json_t *)input, name, value) {
                size_t i = 0;
                while (i < count && strcmp(names[i], name) != 0)
                        i++;
                const char *meant = i == count ? nearest_name(name, names, count) : NULL;
                if (meant)
                        return complain(to, "unknown key \"%.60s\": did you mean \"%s\"?", name, meant);
                if (i == count)
                        return complain_unknown(names, count, name, to);
        }
        return 0;
}

static int check_text(const struct input_key *key, const json_t *value, const struct input_complaint *to)
{
        const char *text = json_string_value(value);
        if (!text)
                return complain(to, "\"%s\" must be a text; it is %s", key->name, json_kind(value));
        if (strlen(text) != json_string_length(value))
                return complain(to, "\"%s\" holds the NUL character", key->name);
        if (key->required && text[strspn(text, " \t\r\n")] == '\0')
                return complain(to, "\"%s\" must not be empty", key->name);
        if (key->most && utf8_count(text, strlen(text)) > key->most)
                return complain(to, "\"%s\" is %zu characters long; at most %zu are taken", key->name,
                                utf8_count(text, strlen(text)), key->most);
        return 0;
}

static int complain_lang(const struct input_key *key, const char *code, const struct input_complaint *to)
{
        struct buffer all = { 0 };
        for (size_t i = 0; key->among[i]; i++)
                buffer_addf(&all, "%s\"%s\"", i == 0 ? "" : key->among[i + 1] ? ", " : " or ", key->among[i]);
        complain(to, "\"%s\" must be %.*s; it is \"%.40s\"", key->name, (int)all.size, (const char *)all.data, code);
        buffer_free(&all);
        return 1;
}

static int check_lang(const struct input_key *key, const json_t *value, const struct input_complaint *to)
{
        const char *code = json_string_value(value);
        if (!code)
                return complain(to, "\"%s\" must be a text; it is %s", key->name, json_kind(value));
        for (size_t i = 0; key->among[i]; i++)
                if (strcmp(code, key->among[i]) == 0)
                        return 0;
        return complain_lang(key, code, to);
}

static int check_list(const struct input_key *key, const json_t *value, const struct input_complaint *to)
{
        if (!json_is_array(value))
                return complain(to, "\"%s\" must be an array; it is %s", key->name, json_kind(value));
        if (json_array_size(value) > key->most)
                return complain(to, "\"%s\" has %zu elements; at most %zu are taken", key->name, json_array_size(value),
                                key->most);
        return 0;
}

static int check_key(const struct input_key *key, const json_t *value, const struct input_complaint *to)
{
        if (!value || json_is_null(value))
                return key->required ? complain(to, "\"%s\" is missing", key->name) : 0;
        switch (key->kind) {
        case INPUT_TEXT:
        case INPUT_URL: return check_text(key, value, to);
        case INPUT_LANG: return check_lang(key, value, to);
        case INPUT_LIST: return check_list(key, value, to);
        }
        return 0;
}
