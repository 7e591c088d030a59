/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/latency.h"

#include "bench/common.h"
#include "bench/wire_tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct tapped;

/* One end of a connection: what comes in here goes out at the other end. */
struct end {
        struct tapped *tapped;
        struct end *other;
        struct wire wire;
        int fd;
};

/* One connection of the worker's. */
struct tapped {
        struct tap *tap;
        struct end client, broker;
        size_t *message_of; /* by delivery tag */
        size_t tags;
        uint64_t acked; /* all up to this tag */
};

struct tap {
        struct times *times;
        struct sockaddr_in broker;
        int epoll, listener;
};

/* ---- what is heard ---- */

static void note_delivery(struct tapped *t, uint64_t tag)
{
        struct times *times = t->tap->times;
        if (tag >= t->tags) {
                t->tags = (size_t)tag * 2 + 1024;
                t->message_of = realloc(t->message_of, t->tags * sizeof(*t->message_of));
                if (!t->message_of)
                        die("out of memory");
        }
        t->message_of[tag] = times->delivered_count;
        if (times->delivered_count < times->count)
                times->delivered[times->delivered_count] = now_ns();
        times->delivered_count++;
}

static void note_ack(struct tapped *t, uint64_t tag, bool multiple)
{
        struct times *times = t->tap->times;
        const uint64_t now = now_ns();
        for (uint64_t i = multiple ? t->acked + 1 : tag; i <= tag; i++) {
                const size_t message = t->message_of[i];
                if (message < times->count && !times->acked[message]) {
                        times->acked[message] = now;
                        times->acked_count++;
                }
        }
        if (multiple)
                t->acked = tag;
        pthread_cond_broadcast(&times->changed);
}

static void heard(enum wire_event event, uint64_t tag, bool multiple, void *arg)
{
        struct tapped *t = arg;
        pthread_mutex_lock(&t->tap->times->lock);
        if (event == WIRE_DELIVER)
                note_delivery(t, tag);
        else if (tag < t->tags)
                note_ack(t, tag, multiple);
        pthread_mutex_unlock(&t->tap->times->lock);
}

/* ---- passing on ---- */

static void be_quick(int fd)
{
        const int one = 1, size = 4 << 20;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static void watch(struct tap *tap, struct end *end)
{
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = end };
        if (epoll_ctl(tap->epoll, EPOLL_CTL_ADD, end->fd, &event) < 0)
                die("epoll: %s", strerror(errno));
}

static void accept_one(struct tap *tap)
{
        struct tapped *t = calloc(1, sizeof(*t));
        if (!t)
                die("out of memory");
        t->tap = tap;
        t->client = (struct end){ .tapped = t, .other = &t->broker, .wire.skip = 8 };
        t->broker = (struct end){ .tapped = t, .other = &t->client };
        t->client.fd = accept(tap->listener, NULL, NULL);
        t->broker.fd = socket(AF_INET, SOCK_STREAM, 0);
        if (t->client.fd < 0 || connect(t->broker.fd, (struct sockaddr *)&tap->broker, sizeof(tap->broker)) < 0)
                die("to the broker: %s", strerror(errno));
        be_quick(t->client.fd);
        be_quick(t->broker.fd);
        watch(tap, &t->client);
        watch(tap, &t->broker);
}

/* The worker's connections end with it; the other end is told, the memory stays. */
static void end_one(struct tap *tap, const struct end *end)
{
        epoll_ctl(tap->epoll, EPOLL_CTL_DEL, end->fd, NULL);
        shutdown(end->other->fd, SHUT_WR);
}

static void pass_on(struct tap *tap, struct end *end)
{
        unsigned char data[65536];
        const ssize_t got = recv(end->fd, data, sizeof(data), 0);
        if (got <= 0) {
                end_one(tap, end);
                return;
        }
        for (ssize_t at = 0; at < got;) {
                const ssize_t sent = send(end->other->fd, data + at, (size_t)(got - at), MSG_NOSIGNAL);
                if (sent < 0) {
                        end_one(tap, end);
                        return;
                }
                at += sent;
        }
        wire_see(&end->wire, data, (size_t)got, heard, end->tapped);
}

static void *serve(void *arg)
{
        struct tap *tap = arg;
        struct epoll_event events[16];
        for (;;) {
                const int count = epoll_wait(tap->epoll, events, 16, -1);
                for (int i = 0; i < count; i++) {
                        if (events[i].data.ptr)
                                pass_on(tap, events[i].data.ptr);
                        else
                                accept_one(tap);
                }
        }
        return NULL;
}

unsigned tap_start(struct times *times, const char *host, int port)
{
        struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(own);
        struct tap *tap = calloc(1, sizeof(*tap));
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
        pthread_t thread;
        if (!tap)
                die("out of memory");
        tap->times = times;
        tap->broker = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
        tap->listener = socket(AF_INET, SOCK_STREAM, 0);
        tap->epoll = epoll_create1(EPOLL_CLOEXEC);
        if (inet_pton(AF_INET, host, &tap->broker.sin_addr) != 1 ||
            bind(tap->listener, (struct sockaddr *)&own, size) < 0 || listen(tap->listener, 16) < 0 ||
            getsockname(tap->listener, (struct sockaddr *)&own, &size) < 0 ||
            epoll_ctl(tap->epoll, EPOLL_CTL_ADD, tap->listener, &event) < 0 ||
            pthread_create(&thread, NULL, serve, tap) != 0)
                die("the tap: %s", strerror(errno));
        return ntohs(own.sin_port);
}
