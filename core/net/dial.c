/* SPDX-License-Identifier: Apache-2.0 */
#include "core/net/dial.h"

#include "core/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The addresses of one name, and the sockets that are on their way to them. */
struct race {
        const struct addrinfo *order[DIAL_MOST];
        struct pollfd sockets[DIAL_MOST + 1]; /* and behind them what cancels */
        int cancel_fd;
        size_t count, begun, open;
        int error; /* the first one */
        uint64_t next_ms;
};

size_t dial_order(const struct addrinfo *found, const struct addrinfo *out[DIAL_MOST])
{
        const struct addrinfo *first = found, *second = found;
        size_t count = 0;
        bool own_turn = true;
        while (count < DIAL_MOST) {
                while (first && first->ai_family != found->ai_family)
                        first = first->ai_next;
                while (second && second->ai_family == found->ai_family)
                        second = second->ai_next;
                const struct addrinfo **from = (own_turn && first) || !second ? &first : &second;
                if (!*from)
                        break;
                out[count++] = *from;
                *from = (*from)->ai_next;
                own_turn = !own_turn;
        }
        return count;
}

static void race_fail(struct race *r, size_t i, int error)
{
        if (r->sockets[i].fd >= 0)
                close(r->sockets[i].fd);
        r->open -= r->sockets[i].fd >= 0;
        r->sockets[i].fd = -1;
        r->error = r->error ? r->error : error;
        r->next_ms = 0;
}

/* Begin with the next address. */
static void race_begin(struct race *r, uint64_t now_ms)
{
        const size_t i = r->begun++;
        const struct addrinfo *to = r->order[i];
        const int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP), on = 1;
        r->sockets[i] = (struct pollfd){ .fd = fd, .events = POLLOUT };
        r->open += fd >= 0;
        r->next_ms = now_ms + DIAL_AFTER_MS;
        if (fd < 0) {
                race_fail(r, i, errno);
                return;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        if (connect(fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS)
                race_fail(r, i, errno);
}

/* Who has arrived, or -1. */
static int race_winner(struct race *r)
{
        for (size_t i = 0; i < r->begun; i++) {
                int error = 0;
                socklen_t size = sizeof(error);
                if (r->sockets[i].fd < 0 || !r->sockets[i].revents)
                        continue;
                getsockopt(r->sockets[i].fd, SOL_SOCKET, SO_ERROR, &error, &size);
                if (error == 0)
                        return (int)i;
                race_fail(r, i, error);
        }
        return -1;
}

/* Returns the winner, or -1 when there is none. */
static int race_run(struct race *r, uint64_t until_ms)
{
        for (;;) {
                const uint64_t now_ms = clock_mono_ms();
                while (r->begun < r->count && (r->open == 0 || now_ms >= r->next_ms))
                        race_begin(r, now_ms);
                if (r->open == 0 || now_ms >= until_ms) {
                        r->error = r->error ? r->error : ETIMEDOUT;
                        return -1;
                }
                r->sockets[r->begun] = (struct pollfd){ .fd = r->cancel_fd, .events = POLLIN };
                const uint64_t wake_ms = r->begun < r->count && r->next_ms < until_ms ? r->next_ms : until_ms;
                if (poll(r->sockets, r->begun + 1, (int)(wake_ms - now_ms)) <= 0)
                        continue;
                if (r->sockets[r->begun].revents) {
                        r->error = ECANCELED;
                        return -1;
                }
                const int winner = race_winner(r);
                if (winner >= 0)
                        return winner;
        }
}

static int look_up(const char *host, const char *port, struct addrinfo **found, struct dialled *out)
{
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
        const int rc = getaddrinfo(host, port, &hints, found);
        if (rc == 0)
                return 0;
        snprintf(out->why, sizeof(out->why), "its name is not found: %s",
                 rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
        return rc == EAI_MEMORY ? -ENOMEM : -EHOSTUNREACH;
}

static void show_address(const struct addrinfo *to, char out[64])
{
        getnameinfo(to->ai_addr, to->ai_addrlen, out, 64, NULL, 0, NI_NUMERICHOST);
}

/* The winner first. */
static void show_addresses(const struct race *r, size_t winner, struct dialled *out)
{
        char one[64];
        size_t used = 0;
        show_address(r->order[winner], out->address);
        used += (size_t)snprintf(out->addresses, sizeof(out->addresses), "%s", out->address);
        for (size_t i = 0; i < r->count; i++) {
                if (i == winner)
                        continue;
                show_address(r->order[i], one);
                used += (size_t)snprintf(out->addresses + used, sizeof(out->addresses) - used, ",%s", one);
        }
}

/* Returns the winner, or -errno. */
static int connect_to_one(struct race *r, unsigned timeout_ms, struct dialled *out)
{
        const int winner = race_run(r, clock_mono_ms() + timeout_ms);
        for (size_t i = 0; i < r->begun; i++)
                if ((int)i != winner && r->sockets[i].fd >= 0)
                        close(r->sockets[i].fd);
        if (winner < 0) {
                snprintf(out->why, sizeof(out->why), "%s", strerror(r->error));
                return -r->error;
        }
        out->fd = r->sockets[winner].fd;
        return winner;
}

static int dial_or_choose(const char *host, const char *port, unsigned timeout_ms, bool choose, struct race *r,
                          struct dialled *out)
{
        struct addrinfo *found = NULL;
        *out = (struct dialled){ .fd = -1 };
        int rc = look_up(host, port, &found, out);
        if (rc)
                return rc;
        r->count = dial_order(found, r->order);
        if (!choose || r->count != 1)
                rc = connect_to_one(r, timeout_ms, out);
        if (rc >= 0)
                show_addresses(r, (size_t)rc, out);
        freeaddrinfo(found);
        return rc < 0 ? rc : 0;
}

int dial(const char *host, const char *port, unsigned timeout_ms, int cancel_fd, struct dialled *out)
{
        struct race r = { .cancel_fd = cancel_fd };
        return dial_or_choose(host, port, timeout_ms, false, &r, out);
}

int dial_choose(const char *host, const char *port, unsigned timeout_ms, int cancel_fd, struct dialled *out)
{
        struct race r = { .cancel_fd = cancel_fd };
        const int rc = dial_or_choose(host, port, timeout_ms, true, &r, out);
        if (out->fd >= 0)
                close(out->fd);
        out->fd = -1;
        return rc;
}
