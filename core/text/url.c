/* SPDX-License-Identifier: Apache-2.0 */
#include "core/text/url.h"

#include "core/text/hex.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

char *url_decode(const char *text, size_t size, bool *malformed, bool *zero)
{
        char *out = calloc(1, size + 1), *to = out;
        for (size_t i = 0; out && i < size; i++) {
                const int byte = hex_escape(text + i, size - i);
                if (byte == 0) {
                        if (zero)
                                *zero = true;
                        free(out);
                        return NULL;
                }
                if (malformed && text[i] == '%' && byte < 0)
                        *malformed = true;
                *to++ = byte > 0 ? (char)byte : text[i];
                i += byte > 0 ? 2 : 0;
        }
        return out;
}

/* Nothing stays NULL. */
static int url_part(struct url *u, const char *text, size_t size, char **out)
{
        bool zero = false;
        if (size == 0)
                return 0;
        *out = url_decode(text, size, &u->malformed, &zero);
        return *out ? 0 : zero ? 1 : -ENOMEM;
}

static int url_copy(const char *text, size_t size, char **out)
{
        if (size == 0)
                return 0;
        *out = strndup(text, size);
        return *out ? 0 : -ENOMEM;
}

static int url_login(struct url *u, const char *text, size_t size)
{
        const char *colon = memchr(text, ':', size);
        const size_t user = colon ? (size_t)(colon - text) : size;
        const int rc = url_part(u, text, user, &u->user);
        return rc || !colon ? rc : url_part(u, colon + 1, size - user - 1, &u->password);
}

static int url_port(struct url *u, const char *text, size_t size)
{
        long number = 0;
        for (size_t i = 0; i < size; i++) {
                if (!isdigit((unsigned char)text[i]) || i >= 5)
                        return 1;
                number = number * 10 + (text[i] - '0');
        }
        if (size && (number < 1 || number > 65535))
                return 1;
        return url_copy(text, size, &u->port);
}

/* HOST, HOST:PORT, [IPV6], [IPV6]:PORT, or only a port. */
static int url_server(struct url *u, const char *text, size_t size)
{
        const bool v6 = size && *text == '[';
        const char *end = v6 ? memchr(text, ']', size) : text;
        const char *colon = end ? memchr(end, ':', size - (size_t)(end - text)) : NULL;
        const size_t host = colon ? (size_t)(colon - text) : size;
        if (v6 && (!end || end != text + host - 1 || host < 3))
                return 1;
        const int rc = v6 ? url_copy(text + 1, host - 2, &u->host) : url_part(u, text, host, &u->host);
        return rc || !colon ? rc : url_port(u, colon + 1, size - host - 1);
}

static int url_parts(const char *text, struct url *u)
{
        const char *colon = strstr(text, "://"), *at = colon ? colon + 3 : NULL;
        for (const char *c = text; *c; c++)
                if ((unsigned char)*c <= ' ' || *c == '\x7F')
                        return 1;
        if (!colon || colon == text)
                return 1;
        const size_t authority = strcspn(at, "/?#");
        const char *user_end = memrchr(at, '@', authority), *path = at + authority;
        const char *server = user_end ? user_end + 1 : at, *query = path + strcspn(path, "?#");
        int rc = url_copy(text, (size_t)(colon - text), &u->scheme);
        if (rc == 0 && user_end)
                rc = url_login(u, at, (size_t)(user_end - at));
        if (rc == 0)
                rc = url_server(u, server, (size_t)(path - server));
        if (rc == 0)
                rc = url_copy(path, (size_t)(query - path), &u->path);
        if (rc == 0 && *query == '?')
                rc = url_copy(query + 1, strcspn(query + 1, "#"), &u->query);
        return rc;
}

int url_read(const char *text, struct url *out)
{
        *out = (struct url){ 0 };
        const int rc = url_parts(text, out);
        if (rc)
                url_free(out);
        return rc;
}

void url_free(struct url *u)
{
        if (u->password)
                explicit_bzero(u->password, strlen(u->password));
        free(u->scheme);
        free(u->user);
        free(u->password);
        free(u->host);
        free(u->port);
        free(u->path);
        free(u->query);
        *u = (struct url){ 0 };
}
