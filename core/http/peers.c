/* SPDX-License-Identifier: Apache-2.0 */
/* Connections. libmicrohttpd closes those that are silent; who sends a byte now and then, and never a request, is closed here. */
#include "core/http/server_own.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void peers_link(struct peers *p, struct peer *one)
{
        one->waits = true;
        one->next = NULL;
        one->before = p->last;
        if (p->last)
                p->last->next = one;
        else
                p->first = one;
        p->last = one;
}

void peers_serve(struct peers *p, struct peer *one)
{
        if (!one->waits)
                return;
        one->waits = false;
        if (one->before)
                one->before->next = one->next;
        else
                p->first = one->next;
        if (one->next)
                one->next->before = one->before;
        else
                p->last = one->before;
}

void peers_wait(struct peers *p, struct peer *one, uint64_t now_ms)
{
        peers_serve(p, one);
        one->since_ms = now_ms;
        peers_link(p, one);
}

struct peer *peers_add(struct peers *p, struct MHD_Connection *connection, uint64_t now_ms)
{
        const union MHD_ConnectionInfo *fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD),
                                       *address =
                                               MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
        struct peer *one = calloc(1, sizeof(*one));
        if (!one)
                return NULL;
        const struct sockaddr *from = address ? address->client_addr : NULL;
        const socklen_t size =
                from && from->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
        if (from)
                getnameinfo(from, size, one->address, sizeof(one->address), NULL, 0, NI_NUMERICHOST);
        one->fd = fd ? fd->connect_fd : -1;
        one->since_ms = now_ms;
        peers_link(p, one);
        p->count++;
        return one;
}

void peers_remove(struct peers *p, struct peer *one)
{
        peers_serve(p, one);
        p->count--;
        free(one);
}

/* libmicrohttpd then finds it at its end, and lets go of it. */
static void peers_close(struct peers *p, struct peer *one)
{
        peers_serve(p, one);
        shutdown(one->fd, SHUT_RDWR);
}

void peers_close_since(struct peers *p, uint64_t before_ms)
{
        while (p->first && p->first->since_ms < before_ms)
                peers_close(p, p->first);
}

void peers_close_beyond(struct peers *p, unsigned most)
{
        if (p->count > most && p->first)
                peers_close(p, p->first);
}
