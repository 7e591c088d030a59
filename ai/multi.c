/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/multi.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
        EVENTS_A_ROUND = 256,
        ROUNDS_A_TURN = 4, /* then the loop's other work gets its turn */
        OPEN_HANDLES = 2,
};

/* A socket as epoll and curl see it; bits CURL_POLL_IN and CURL_POLL_OUT. */
struct socket {
        unsigned char wanted;     /* what curl waits for */
        unsigned char registered; /* what epoll watches */
        bool connection;          /* opened by curl for a connection: multi_closed will tell when it goes */
};

struct multi {
        CURLM *curl;
        multi_done *done;
        multi_rest *rest;
        void *arg;
        uv_poll_t poll;
        uv_timer_t timer;
        int epoll;
        int open_handles;
        bool closing, in_timer;
        struct socket *sockets; /* by descriptor */
        size_t socket_count;
        size_t connections;
};

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused);
/* Until libuv 1.45 a timer of 0 ms that a timer starts fires at once, and so on, and no socket is looked at in between. */
static int on_timeout(CURLM *curl, long timeout_ms, void *arg);
static void on_events(uv_poll_t *poll, int status, int events);
static void on_timer(uv_timer_t *timer);
static int start(struct multi *m, uv_loop_t *loop);
static void release(struct multi *m);

int multi_new(struct multi **out, uv_loop_t *loop, multi_done *done, multi_rest *rest, void *arg)
{
        struct multi *m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->done = done;
        m->rest = rest;
        m->arg = arg;
        curl_global_init(CURL_GLOBAL_DEFAULT); /* counted, and safe beside other threads since curl 7.84 */
        m->curl = curl_multi_init();
        m->epoll = epoll_create1(EPOLL_CLOEXEC);
        const int result = !m->curl ? -ENOMEM : m->epoll < 0 ? -errno : start(m, loop);
        if (result != 0) {
                release(m);
                return result;
        }
        *out = m;
        return 0;
}

CURLM *multi_curl(struct multi *m)
{
        return m->curl;
}

int multi_add(struct multi *m, CURL *easy)
{
        return curl_multi_add_handle(m->curl, easy) == CURLM_OK ? 0 : -ENOMEM;
}

void multi_remove(struct multi *m, CURL *easy)
{
        curl_multi_remove_handle(m->curl, easy);
}

static void on_closed(uv_handle_t *handle)
{
        struct multi *m = handle->data;
        if (--m->open_handles == 0)
                release(m);
}

void multi_free(struct multi *m)
{
        m->closing = true;
        curl_multi_setopt(m->curl, CURLMOPT_SOCKETFUNCTION, NULL);
        curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, NULL);
        uv_close((uv_handle_t *)&m->poll, on_closed);
        uv_close((uv_handle_t *)&m->timer, on_closed);
}

static int start(struct multi *m, uv_loop_t *loop)
{
        int result = uv_timer_init(loop, &m->timer);
        if (result == 0)
                result = uv_poll_init(loop, &m->poll, m->epoll);
        if (result != 0)
                return result; /* uv_timer_init never fails, so no handle is open here */
        m->timer.data = m->poll.data = m;
        m->open_handles = OPEN_HANDLES;
        uv_poll_start(&m->poll, UV_READABLE, on_events);
        curl_multi_setopt(m->curl, CURLMOPT_SOCKETFUNCTION, on_socket);
        curl_multi_setopt(m->curl, CURLMOPT_SOCKETDATA, m);
        curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, on_timeout);
        curl_multi_setopt(m->curl, CURLMOPT_TIMERDATA, m);
        return 0;
}

static void release(struct multi *m)
{
        curl_multi_cleanup(m->curl); /* closes the kept connections, which calls multi_closed */
        if (m->epoll >= 0)
                close(m->epoll);
        curl_global_cleanup();
        free(m->sockets);
        free(m);
}

/* ---- sockets ---- */

static struct socket *socket_at(struct multi *m, curl_socket_t fd)
{
        const size_t at = (size_t)fd;
        if (at >= m->socket_count) {
                const size_t count = at * 2 + 64;
                struct socket *sockets = realloc(m->sockets, count * sizeof(*sockets));
                if (!sockets)
                        return NULL;
                memset(sockets + m->socket_count, 0, (count - m->socket_count) * sizeof(*sockets));
                m->sockets = sockets;
                m->socket_count = count;
        }
        return &m->sockets[at];
}

void multi_opened(struct multi *m, curl_socket_t fd)
{
        struct socket *s = socket_at(m, fd);
        if (!s)
                return;
        *s = (struct socket){ .connection = true };
        m->connections++;
}

void multi_closed(struct multi *m, curl_socket_t fd)
{
        if ((size_t)fd >= m->socket_count)
                return;
        m->connections -= m->sockets[fd].connection;
        m->sockets[fd] = (struct socket){ 0 };
}

size_t multi_connections(const struct multi *m)
{
        return m->connections;
}

static int watch(struct multi *m, curl_socket_t fd, struct socket *s, unsigned char events)
{
        struct epoll_event event = { .data.fd = fd };
        event.events = (events & CURL_POLL_IN ? EPOLLIN : 0u) | (events & CURL_POLL_OUT ? EPOLLOUT : 0u);
        const int how = !events ? EPOLL_CTL_DEL : s->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
        int result = epoll_ctl(m->epoll, how, fd, &event);
        if (result != 0 && errno == ENOENT && events)
                result = epoll_ctl(m->epoll, EPOLL_CTL_ADD, fd, &event);
        s->registered = result == 0 ? events : 0;
        return result == 0 || !events ? 0 : -1;
}

/* A connection that curl keeps for later stays registered for reading: it will be wanted again in a moment. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
        (void)easy;
        (void)unused;
        struct multi *m = arg;
        struct socket *s = socket_at(m, fd);
        if (!s)
                return -1;
        s->wanted = what & CURL_POLL_INOUT;
        if (s->wanted == s->registered || (!s->wanted && s->connection && s->registered == CURL_POLL_IN))
                return 0;
        return watch(m, fd, s, s->wanted);
}

/* An error or hang-up is shown as what curl waits for, so that its own read or write finds out what happened. */
static int happened(const struct epoll_event *event, const struct socket *s)
{
        int mask = (event->events & EPOLLIN ? CURL_CSELECT_IN : 0) | (event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0);
        if (event->events & (EPOLLERR | EPOLLHUP))
                mask |= s->wanted; /* CURL_POLL_IN and CURL_CSELECT_IN are the same bit, and so are those of OUT */
        return mask;
}

static void on_event(struct multi *m, const struct epoll_event *event)
{
        int running;
        const curl_socket_t fd = event->data.fd;
        struct socket *s = socket_at(m, fd);
        if (!s)
                return;
        if (!s->wanted) /* a kept connection was closed by the other side; curl finds out when it wants it */
                watch(m, fd, s, 0);
        else
                curl_multi_socket_action(m->curl, fd, happened(event, s), &running);
}

/* ---- turns ---- */

static void hand_out(struct multi *m)
{
        int left;
        CURLMsg *message;
        while (!m->closing && (message = curl_multi_info_read(m->curl, &left)) != NULL) {
                if (message->msg == CURLMSG_DONE)
                        m->done(message->easy_handle, message->data.result, m->arg);
        }
        if (!m->closing)
                m->rest(m->arg);
}

static void on_events(uv_poll_t *poll, int status, int unused)
{
        (void)status;
        (void)unused;
        struct multi *m = poll->data;
        struct epoll_event events[EVENTS_A_ROUND];
        int count = EVENTS_A_ROUND;
        for (int round = 0; round < ROUNDS_A_TURN && count == EVENTS_A_ROUND && !m->closing; round++) {
                count = epoll_wait(m->epoll, events, EVENTS_A_ROUND, 0);
                for (int i = 0; i < count; i++)
                        on_event(m, &events[i]);
                hand_out(m);
        }
}

static void on_timer(uv_timer_t *timer)
{
        int running;
        struct multi *m = timer->data;
        m->in_timer = true;
        curl_multi_socket_action(m->curl, CURL_SOCKET_TIMEOUT, 0, &running);
        hand_out(m);
        m->in_timer = false;
}

/* Until libuv 1.45 a timer of 0 ms that a timer starts fires at once, and so on, and no socket is looked at in between. */
static int on_timeout(CURLM *curl, long timeout_ms, void *arg)
{
        (void)curl;
        struct multi *m = arg;
        if (timeout_ms < 0)
                uv_timer_stop(&m->timer);
        else
                uv_timer_start(&m->timer, on_timer, m->in_timer && timeout_ms == 0 ? 1 : (uint64_t)timeout_ms, 0);
        return 0;
}
