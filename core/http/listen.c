/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 4096 };

bool listen_parts(const char *text, char address[64], char port[8])
{
        const char *colon = strrchr(text, ':');
        const bool brackets = *text == '[' && colon && colon > text && colon[-1] == ']';
        const char *from = text + brackets, *end = colon ? colon - brackets : text;
        const size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
        if (digits == 0 || digits > 5 || colon[1 + digits] || end - from >= 64 || strtol(colon + 1, NULL, 10) > 65535)
                return false;
        if (!brackets && memchr(from, ':', (size_t)(end - from)))
                return false;
        snprintf(address, 64, "%.*s", (int)(end - from), from);
        snprintf(port, 8, "%s", colon + 1);
        return true;
}

static int listen_failed(const char *text, struct problem *why)
{
        const char *code = errno == EADDRINUSE                 ? "address_in_use"
                           : errno == EACCES || errno == EPERM ? "access_refused"
                                                               : "unreachable";
        return problem_set(why, "http", code, "can't listen on %.80s: %s", text, strerror(errno));
}

static int listen_on(const struct addrinfo *a)
{
        const int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), yes = 1, no = 0;
        if (fd < 0)
                return -1;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
        if (a->ai_family == AF_INET6)
                setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
        if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
                return fd;
        const int error = errno;
        close(fd);
        errno = error;
        return -1;
}

int listen_open(const char *text, int *fd, struct problem *why)
{
        char address[64], port[8];
        const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
        struct addrinfo *found = NULL;
        if (!listen_parts(text, address, port))
                return problem_set(why, "http", "bad_address",
                                   "\"%.80s\" is no address to listen on: ADDRESS:PORT, [ADDRESS]:PORT", text);
        const int error = getaddrinfo(*address ? address : NULL, port, &hints, &found);
        if (error)
                return problem_set(why, "http", "bad_address", "can't listen on %.80s: %s", text, gai_strerror(error));
        *fd = listen_on(found);
        freeaddrinfo(found);
        return *fd < 0 ? listen_failed(text, why) : 0;
}

unsigned listen_port(int fd)
{
        union {
                struct sockaddr_storage any;
                struct sockaddr_in four;
                struct sockaddr_in6 six;
        } at;
        socklen_t size = sizeof(at);
        memset(&at, 0, sizeof(at));
        if (getsockname(fd, (struct sockaddr *)&at.any, &size))
                return 0;
        return ntohs(at.any.ss_family == AF_INET6 ? at.six.sin6_port : at.four.sin_port);
}
