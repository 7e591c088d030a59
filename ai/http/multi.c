/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/http/multi.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
        EVENTS_A_ROUND = 256,
        ROUNDS_A_TURN = 4,        /* then the loop's other work gets its turn */
        CONNECTIONS_A_SHARD = 96, /* walking through these costs curl about a microsecond */
        MOST_SHARDS = 256,
        STALL_MS = 250, /* a timer that is later than this: the loop stood still */
};

#define NOT_DUE UINT64_MAX

/* A socket as epoll and curl see it; bits CURL_POLL_IN and CURL_POLL_OUT. */
struct socket {
        struct shard *shard;
        unsigned char wanted;     /* what curl waits for */
        unsigned char registered; /* what epoll watches */
        bool connection;          /* opened by curl for a connection: on_close will tell when it goes */
};

struct shard {
        struct multi *multi;
        CURLM *curl;
        uv_timer_t timer;
        uint64_t due_ms; /* when the timer is due; NOT_DUE = it does not run */
        size_t transfers, connections;
        bool in_timer;
};

struct multi {
        uv_loop_t *loop;
        struct multi_calls calls;
        uv_poll_t poll;
        int epoll;
        CURLSH *share; /* addresses and TLS sessions, for all shards */
        size_t open_handles;
        bool closing, background;
        struct socket *sockets; /* by descriptor */
        size_t socket_count;
        size_t connections;
        struct shard *shards[MOST_SHARDS];
        size_t shard_count;
};

static struct shard *multi_choose(struct multi *m, size_t streams);
static struct shard *add_shard(struct multi *m);
static int ai_multi_on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused);
static int on_timeout(CURLM *curl, long timeout_ms, void *arg);
static int on_close(void *arg, curl_socket_t fd);
static void on_events(uv_poll_t *poll, int status, int unused);
static void ai_multi_on_timer(uv_timer_t *timer);
static void ai_multi_release(struct multi *m);

int multi_new(struct multi **out, uv_loop_t *loop, const struct multi_calls *calls)
{
        struct multi *m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->loop = loop;
        m->calls = *calls;
        m->epoll = epoll_create1(EPOLL_CLOEXEC);
        const int result = m->epoll < 0 ? -errno : uv_poll_init(loop, &m->poll, m->epoll);
        if (result != 0) {
                if (m->epoll >= 0)
                        close(m->epoll);
                free(m);
                return result;
        }
        curl_global_init(CURL_GLOBAL_DEFAULT); /* counted, and safe beside other threads since curl 7.84 */
        m->share = curl_share_init();
        curl_share_setopt(m->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
        curl_share_setopt(m->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
        m->poll.data = m;
        m->open_handles = 1;
        uv_poll_start(&m->poll, UV_READABLE, on_events);
        *out = m;
        return 0;
}

void multi_unref(struct multi *m)
{
        m->background = true;
        uv_unref((uv_handle_t *)&m->poll);
}

void multi_prepare(struct multi *m, CURL *easy)
{
        curl_easy_setopt(easy, CURLOPT_SHARE, m->share);
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
}

int multi_add(struct multi *m, CURL *easy, size_t streams, struct shard **out)
{
        struct shard *s = multi_choose(m, streams);
        if (!s)
                return -ENOMEM;
        curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, s);
        if (curl_multi_add_handle(s->curl, easy) != CURLM_OK)
                return -ENOMEM;
        s->transfers++;
        *out = s;
        return 0;
}

void multi_remove(struct shard *shard, CURL *easy)
{
        curl_multi_remove_handle(shard->curl, easy);
        shard->transfers--;
}

size_t multi_connections(const struct multi *m)
{
        return m->connections;
}

static void ai_multi_on_closed(uv_handle_t *handle)
{
        struct multi *m = handle->data;
        if (--m->open_handles == 0)
                ai_multi_release(m);
}

static void on_shard_closed(uv_handle_t *handle)
{
        struct shard *s = handle->data;
        struct multi *m = s->multi;
        curl_multi_cleanup(s->curl); /* closes the kept connections, and calls on_close */
        free(s);
        if (--m->open_handles == 0)
                ai_multi_release(m);
}

void multi_free(struct multi *m)
{
        m->closing = true;
        for (size_t i = 0; i < m->shard_count; i++) {
                curl_multi_setopt(m->shards[i]->curl, CURLMOPT_SOCKETFUNCTION, NULL);
                curl_multi_setopt(m->shards[i]->curl, CURLMOPT_TIMERFUNCTION, NULL);
                uv_close((uv_handle_t *)&m->shards[i]->timer, on_shard_closed);
        }
        uv_close((uv_handle_t *)&m->poll, ai_multi_on_closed);
}

static void ai_multi_release(struct multi *m)
{
        close(m->epoll);
        curl_share_cleanup(m->share);
        curl_global_cleanup();
        free(m->sockets);
        free(m);
}

/* ---- shards ---- */

/* Where a connection has a free stream, else where there is room for another connection, else anywhere. The first ones are preferred,
 * so that the last ones become idle when there is less to do. */
static struct shard *multi_choose(struct multi *m, size_t streams)
{
        struct shard *free_for_more = NULL, *least = NULL;
        for (size_t i = 0; i < m->shard_count; i++) {
                struct shard *s = m->shards[i];
                if (s->transfers < s->connections * streams)
                        return s;
                if (!free_for_more && s->connections < CONNECTIONS_A_SHARD &&
                    s->transfers < CONNECTIONS_A_SHARD * streams)
                        free_for_more = s;
                if (!least || s->transfers < least->transfers)
                        least = s;
        }
        if (free_for_more)
                return free_for_more;
        struct shard *fresh = m->shard_count < MOST_SHARDS ? add_shard(m) : NULL;
        return fresh ? fresh : least;
}

static struct shard *add_shard(struct multi *m)
{
        struct shard *s = calloc(1, sizeof(*s));
        CURLM *curl = s ? curl_multi_init() : NULL;
        if (!curl) {
                free(s);
                return NULL;
        }
        s->multi = m;
        s->curl = curl;
        s->due_ms = NOT_DUE;
        uv_timer_init(m->loop, &s->timer);
        s->timer.data = s;
        if (m->background)
                uv_unref((uv_handle_t *)&s->timer);
        curl_multi_setopt(curl, CURLMOPT_SOCKETFUNCTION, ai_multi_on_socket);
        curl_multi_setopt(curl, CURLMOPT_SOCKETDATA, s);
        curl_multi_setopt(curl, CURLMOPT_TIMERFUNCTION, on_timeout);
        curl_multi_setopt(curl, CURLMOPT_TIMERDATA, s);
        curl_multi_setopt(curl, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
        curl_multi_setopt(curl, CURLMOPT_MAXCONNECTS,
                          LONG_MAX / 2); /* keep them: by default curl closes some when it has less to do */
        m->shards[m->shard_count++] = s;
        m->open_handles++;
        return s;
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

void multi_opened(struct shard *shard, curl_socket_t fd)
{
        struct socket *s = socket_at(shard->multi, fd);
        if (!s)
                return;
        *s = (struct socket){ .shard = shard, .connection = true };
        shard->connections++;
        shard->multi->connections++;
}

/* A closed socket's number comes back for another one, and only this tells them apart. */
static int on_close(void *arg, curl_socket_t fd)
{
        struct shard *shard = arg;
        struct socket *s = socket_at(shard->multi, fd);
        if (s && s->connection) {
                shard->connections--;
                shard->multi->connections--;
        }
        if (s)
                *s = (struct socket){ 0 };
        return close(fd);
}

static int ai_multi_watch(struct multi *m, curl_socket_t fd, struct socket *s, unsigned char events)
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
static int ai_multi_on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
        (void)easy;
        (void)unused;
        struct shard *shard = arg;
        struct socket *s = socket_at(shard->multi, fd);
        if (!s)
                return -1;
        s->shard = shard;
        s->wanted = what & CURL_POLL_INOUT;
        if (s->wanted == s->registered || (!s->wanted && s->connection && s->registered == CURL_POLL_IN))
                return 0;
        return ai_multi_watch(shard->multi, fd, s, s->wanted);
}

/* An error or hang-up is shown as what curl waits for, so that its own read or write finds out what happened. */
static int multi_happened(const struct epoll_event *event, const struct socket *s)
{
        int mask = (event->events & EPOLLIN ? CURL_CSELECT_IN : 0) | (event->events & EPOLLOUT ? CURL_CSELECT_OUT : 0);
        if (event->events & (EPOLLERR | EPOLLHUP))
                mask |= s->wanted; /* CURL_POLL_IN and CURL_CSELECT_IN are the same bit, and so are those of OUT */
        return mask;
}

static void ai_multi_hand_out(struct shard *s);

/* curl judges a transfer's time before it reads what has arrived for it. */
static void look_at_clock(struct shard *s)
{
        const uint64_t now_ms = uv_now(s->multi->loop);
        if (s->due_ms == NOT_DUE || now_ms < s->due_ms + STALL_MS)
                return;
        s->due_ms = now_ms; /* once a stall */
        s->multi->calls.stalled(s->multi->calls.arg);
}

static void on_event(struct multi *m, const struct epoll_event *event)
{
        int running;
        const curl_socket_t fd = event->data.fd;
        struct socket *s = socket_at(m, fd);
        if (!s)
                return;
        if (!s->wanted) { /* a kept connection was closed by the other side; curl finds out when it wants it */
                ai_multi_watch(m, fd, s, 0);
                return;
        }
        struct shard *shard = s->shard; /* the socket may be gone after this */
        look_at_clock(shard);
        curl_multi_socket_action(shard->curl, fd, multi_happened(event, s), &running);
        ai_multi_hand_out(shard);
}

/* ---- turns ---- */

static void ai_multi_hand_out(struct shard *s)
{
        int left;
        CURLMsg *message;
        while (!s->multi->closing && (message = curl_multi_info_read(s->curl, &left)) != NULL) {
                if (message->msg == CURLMSG_DONE)
                        s->multi->calls.done(message->easy_handle, message->data.result, s->multi->calls.arg);
        }
}

static void ai_multi_rest(struct multi *m)
{
        if (!m->closing)
                m->calls.rest(m->calls.arg);
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
                for (int i = 0; i < count && !m->closing; i++)
                        on_event(m, &events[i]);
                ai_multi_rest(m);
        }
}

static void ai_multi_on_timer(uv_timer_t *timer)
{
        int running;
        struct shard *s = timer->data;
        look_at_clock(s);
        s->due_ms = NOT_DUE;
        s->in_timer = true;
        curl_multi_socket_action(s->curl, CURL_SOCKET_TIMEOUT, 0, &running);
        ai_multi_hand_out(s);
        ai_multi_rest(s->multi);
        s->in_timer = false;
}

/* Until libuv 1.45 a timer of 0 ms that a timer starts fires at once, and so on, and no socket is looked at in between. */
static int on_timeout(CURLM *curl, long timeout_ms, void *arg)
{
        (void)curl;
        struct shard *s = arg;
        if (timeout_ms < 0) {
                s->due_ms = NOT_DUE;
                uv_timer_stop(&s->timer);
                return 0;
        }
        const uint64_t wait_ms = s->in_timer && timeout_ms == 0 ? 1 : (uint64_t)timeout_ms;
        s->due_ms = uv_now(s->multi->loop) + wait_ms;
        uv_timer_start(&s->timer, ai_multi_on_timer, wait_ms, 0);
        return 0;
}
