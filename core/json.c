/* SPDX-License-Identifier: Apache-2.0 */
#include "core/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

static _Thread_local unsigned long json_lost;

static void *json_allocate(size_t size)
{
        void *memory = malloc(size);
        json_lost += memory == NULL;
        return memory;
}

void json_watch_memory(void)
{
        json_set_alloc_funcs(json_allocate, free);
}

unsigned long json_memory_lost(void)
{
        return json_lost;
}

int json_whole_since(unsigned long lost, int code)
{
        return json_lost == lost ? code : -ENOMEM;
}

/* ---- short reads ---- */

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

/* ---- pointers ---- */

static size_t json_unescape(const char *token, size_t size, char *out)
{
        size_t used = 0;
        for (size_t i = 0; i < size; i++) {
                const bool escape = token[i] == '~' && i + 1 < size && (token[i + 1] == '0' || token[i + 1] == '1');
                if (escape)
                        i++;
                out[used++] = escape ? (token[i] == '0' ? '~' : '/') : token[i];
        }
        return used;
}

static const json_t *json_element(const json_t *array, const char *token, size_t size)
{
        size_t index = 0;
        if (size == 0 || size > 9 || (size > 1 && token[0] == '0') || strspn(token, "0123456789") < size)
                return NULL;
        for (size_t i = 0; i < size; i++)
                index = index * 10 + (size_t)(token[i] - '0');
        return json_array_get(array, index);
}

const json_t *json_at(const json_t *value, const char *pointer)
{
        char key[256];
        while (value && *pointer) {
                const size_t size = strcspn(pointer + 1, "/");
                if (*pointer != '/' || size > sizeof(key))
                        return NULL;
                if (json_is_array(value))
                        value = json_element(value, pointer + 1, size);
                else
                        value = json_object_getn(value, key, json_unescape(pointer + 1, size, key));
                pointer += 1 + size;
        }
        return value;
}
