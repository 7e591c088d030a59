/* SPDX-License-Identifier: Apache-2.0 */
#include "core/json.h"

#include <string.h>

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
