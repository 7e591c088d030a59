/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http/request_key.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Append a character; false where there is no room. */
static bool request_key_add(char key[REQUEST_KEY_SIZE], size_t *size, char c)
{
        if (*size >= REQUEST_KEY_SIZE - 1)
                return false;
        key[(*size)++] = c;
        return true;
}

/* Behind the first quote. NULL, or what is behind the last one. */
static const char *request_key_quoted(const char *at, char key[REQUEST_KEY_SIZE], size_t *size)
{
        for (; *at != '"'; at++) {
                if (*at == '\\' && *++at != '"' && *at != '\\')
                        return NULL;
                if (*at < 0x20 || *at > 0x7e || !request_key_add(key, size, *at))
                        return NULL;
        }
        return at + 1;
}

/* Without quotes: no space, and nothing that would end an item. */
static const char *request_key_bare(const char *at, char key[REQUEST_KEY_SIZE], size_t *size)
{
        for (; *at > 0x20 && *at < 0x7f && !strchr("\"\\,;", *at); at++)
                if (!request_key_add(key, size, *at))
                        return NULL;
        return at;
}

int request_key_read(const char *value, char key[REQUEST_KEY_SIZE], struct problem *why)
{
        size_t size = 0;
        value += strspn(value, " ");
        const char *end =
                *value == '"' ? request_key_quoted(value + 1, key, &size) : request_key_bare(value, key, &size);
        const bool read = end && size > 0 && !end[strspn(end, " ")];
        key[read ? size : 0] = '\0';
        return read ? 0
                    : problem_set(
                              why, "request", "bad_key",
                              "Idempotency-Key must be one string of 1 to %d visible ASCII characters, such as a UUID: "
                              "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"",
                              REQUEST_KEY_SIZE - 1);
}
