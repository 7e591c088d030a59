/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http/host.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { HOST_MOST = 256 };

/* The name without port and brackets. False for what is none. */
static bool host_name(const char *host, char name[HOST_MOST])
{
        const char *from = host, *end, *port;
        if (*host == '[') {
                from++;
                end = strchr(from, ']');
                if (!end)
                        return false;
                port = end + 1;
        } else {
                end = port = from + strcspn(from, ":");
        }
        const size_t digits = *port == ':' ? strspn(port + 1, "0123456789") : 0;
        if (end == from || end - from >= HOST_MOST || (*port && (*port != ':' || port[1 + digits] || digits > 5)))
                return false;
        snprintf(name, HOST_MOST, "%.*s", (int)(end - from), from);
        return true;
}

static bool host_is_address(const char *host, const char *name)
{
        struct in6_addr ignored;
        return inet_pton(*host == '[' ? AF_INET6 : AF_INET, name, &ignored) == 1;
}

static bool host_fits(const char *name, const char *pattern, size_t size)
{
        const size_t length = strlen(name);
        if (size == 1 && *pattern == '*')
                return true;
        if (size > 2 && pattern[0] == '*' && pattern[1] == '.')
                return length >= size && strncasecmp(name + length - (size - 1), pattern + 1, size - 1) == 0;
        return length == size && strncasecmp(name, pattern, size) == 0;
}

bool host_is_ours(const char *host, const char *names)
{
        char name[HOST_MOST];
        if (!host || !host_name(host, name))
                return false;
        if (host_is_address(host, name) || strcasecmp(name, "localhost") == 0)
                return true;
        for (const char *at = names; *at;) {
                at += strspn(at, ", ");
                const size_t size = strcspn(at, ", ");
                if (size && host_fits(name, at, size))
                        return true;
                at += size;
        }
        return false;
}

bool host_is_origin(const char *host, const char *origin)
{
        const char *at = origin ? strstr(origin, "://") : NULL;
        return !origin || (at && host && strcasecmp(at + 3, host) == 0);
}

bool host_is_listed(const char *origin, const char *origins)
{
        if (!origin || !strstr(origin, "://"))
                return false;
        for (const char *at = origins ? origins : ""; *(at += strspn(at, ", "));) {
                const size_t size = strcspn(at, ", ");
                if (strlen(origin) == size && strncasecmp(origin, at, size) == 0)
                        return true;
                at += size;
        }
        return false;
}

bool host_is_loopback(const char *address)
{
        struct in_addr four;
        return strcasecmp(address, "localhost") == 0 || strcmp(address, "::1") == 0 ||
               (inet_pton(AF_INET, address, &four) == 1 && (ntohl(four.s_addr) >> 24) == 127);
}
