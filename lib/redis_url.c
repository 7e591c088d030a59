/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/lib.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_PORT = 6379 };

/* Percent-decoded copy; NULL when memory ran out. */
static char *decoded(const char *text, size_t size)
{
        char *out = calloc(1, size + 1), *at = out;
        for (size_t i = 0; out && i < size; i++) {
                if (text[i] == '%' && i + 2 < size && isxdigit((unsigned char)text[i + 1]) &&
                    isxdigit((unsigned char)text[i + 2])) {
                        const char hex[3] = { text[i + 1], text[i + 2], '\0' };
                        *at++ = (char)strtoul(hex, NULL, 16);
                        i += 2;
                } else {
                        *at++ = text[i];
                }
        }
        return out;
}

static int read_user(struct lib_redis_address *a, const char *text, size_t size)
{
        const char *colon = memchr(text, ':', size);
        const size_t user = colon ? (size_t)(colon - text) : 0;
        a->user = user ? decoded(text, user) : NULL;
        a->password = colon ? decoded(colon + 1, size - user - 1) : decoded(text, size);
        return a->password && (!user || a->user) ? 0 : -ENOMEM;
}

static bool read_number(const char *text, size_t size, long most, int *out)
{
        char *end = NULL;
        const long number = strtol(text, &end, 10);
        if (size == 0 || !isdigit((unsigned char)*text) || end != text + size || number > most)
                return false;
        *out = (int)number;
        return true;
}

/* host, [v6], :port and what follows them. */
static int read_server(struct lib_redis_address *a, const char *at, size_t size, const char *path)
{
        const bool v6 = size > 0 && at[0] == '[';
        const char *end = v6 ? memchr(at, ']', size) : at,
                   *colon = end ? memchr(end, ':', size - (size_t)(end - at)) : NULL;
        const size_t host = colon ? (size_t)(colon - at) : size;
        if (v6 && (!end || end == at + 1 || end + 1 != at + host))
                return 1;
        a->host = v6 ? strndup(at + 1, host - 2) : strndup(host ? at : "localhost", host ? host : 9);
        a->port = DEFAULT_PORT;
        if (!a->host)
                return -ENOMEM;
        if (colon && (!read_number(colon + 1, size - host - 1, 65535, &a->port) || a->port == 0))
                return 1;
        return !*path || read_number(path, strlen(path), 1 << 20, &a->db) ? 0 : 1;
}

int lib_redis_address(struct lib_redis_address *a, const char *url)
{
        *a = (struct lib_redis_address){ 0 };
        if (strncmp(url, "redis://", 8) != 0)
                return 1;
        const char *at = url + strlen("redis://");
        size_t size = strcspn(at, "/");
        const char *path = at[size] ? at + size + 1 : "", *user = memrchr(at, '@', size);
        if (user) {
                if (read_user(a, at, (size_t)(user - at)) < 0)
                        return -ENOMEM;
                size -= (size_t)(user + 1 - at);
                at = user + 1;
        }
        return read_server(a, at, size, path);
}

void lib_redis_address_free(struct lib_redis_address *a)
{
        free(a->host);
        free(a->user);
        free(a->password);
}
