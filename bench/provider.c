/* SPDX-License-Identifier: Apache-2.0 */
/* An OpenAI-compatible endpoint that is never the bottleneck: one thread, epoll, HTTP/1.1 with keep-alive, and answers made
 * once. Every POST is answered after the delay with a completion that fits the schema which the request asks for.
 *
 *     provider [--delay MS]      prints its port, and serves until standard input closes
 *
 *     GET /stats                 counters as JSON: requests, answers, in flight, connections, CPU
 *     GET /delay/MS              changes the delay of what comes from now on
 *
 * Sources: OpenAI API reference, "Create chat completion"; RFC 9112 (HTTP/1.1). */
#include "bench/common.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, READ_SIZE = 1 << 20, BACKLOG = 16384 };

struct connection {
        int fd;
        unsigned generation; /* so that an answer finds out that its connection is gone */
        char *part;          /* a request that is not complete yet, or NULL */
        size_t part_size;
};

/* Answers under way, in the order in which they are due: the delay is the same for all of them. */
struct answer_due {
        uint64_t at_ns;
        int fd;
        unsigned generation;
        const struct canned_answer *answer;
};

struct canned_answer {
        const char *property; /* one that only this answer's schema has among those below it */
        const char *content;
        char *response;
        size_t size;
};

struct provider {
        int epoll, listener;
        struct connection *connections; /* by file descriptor */
        size_t most;
        struct answer_due *ring;
        size_t ring_size, first, count;
        uint64_t delay_ns;
        char *input;
        unsigned long requests, answers, open, most_in_flight;
        double in_flight_seconds; /* in flight, summed over time */
        uint64_t counted_ns;
};

#define CLASSIFICATION \
        "{\\\"major\\\":\\\"recyclable\\\",\\\"middle\\\":\\\"metal\\\",\\\"item\\\":\\\"can\\\",\\\"situation\\\":[]"
#define STEPS "\\\"disposal_steps\\\":[\\\"Empty and rinse it.\\\",\\\"Put it with metals.\\\"]"
#define WORDS "\\\"user_answer\\\":\\\"Empty it, rinse it, put it with metals.\\\""

static struct canned_answer answers[] = {
        { .property = "\"about_waste\"", .content = CLASSIFICATION ",\\\"about_waste\\\":true}" },
        { .property = "\"major\"", .content = CLASSIFICATION "}" },
        { .property = "\"insufficiencies\"", .content = "{" STEPS ",\\\"insufficiencies\\\":[]," WORDS "}" },
        { .property = "", .content = "{" STEPS "," WORDS "}" },
};

static void make_answers(void)
{
        static const char body[] =
                "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"bench-1\","
                "\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"logprobs\":null,"
                "\"message\":{\"role\":\"assistant\",\"refusal\":null,\"content\":\"%s\"}}],"
                "\"usage\":{\"prompt_tokens\":900,\"completion_tokens\":60,\"total_tokens\":960}}";
        for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
                struct canned_answer *a = &answers[i];
                const int size = snprintf(NULL, 0, body, a->content);
                const int all = asprintf(
                        &a->response, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
                        size);
                if (all < 0 || !(a->response = realloc(a->response, (size_t)(all + size) + 1)))
                        die("out of memory");
                snprintf(a->response + all, (size_t)size + 1, body, a->content);
                a->size = (size_t)(all + size);
        }
}

/* Which answer fits: the schema stands at the end of a request, so only that is looked at. */
static const struct canned_answer *choose_answer(const char *body, size_t size)
{
        enum { TAIL = 6000 };
        static const char mark[] = "\"response_format\"";
        const size_t skipped = size > TAIL ? size - TAIL : 0;
        const char *schema = memmem(body + skipped, size - skipped, mark, sizeof(mark) - 1);
        const size_t left = schema ? size - (size_t)(schema - body) : 0;
        const struct canned_answer *a = answers;
        while (*a->property && !memmem(schema ? schema : body, left, a->property, strlen(a->property)))
                a++;
        return a;
}

/* ---- counters ---- */

static void count_time(struct provider *p)
{
        const uint64_t now = now_ns();
        p->in_flight_seconds += (double)p->count * (double)(now - p->counted_ns) / 1e9;
        p->counted_ns = now;
}

static void send_text(int fd, const char *text)
{
        char out[1024];
        const int size = snprintf(out, sizeof(out),
                                  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                                  strlen(text), text);
        if (send(fd, out, (size_t)size, MSG_NOSIGNAL) < 0)
                return; /* whoever asked is gone */
}

static void send_stats(struct provider *p, int fd)
{
        char text[512];
        count_time(p);
        snprintf(text, sizeof(text),
                 "{\"now\":%.6f,\"requests\":%lu,\"answers\":%lu,\"in_flight\":%zu,\"most_in_flight\":%lu,"
                 "\"in_flight_seconds\":%.6f,\"connections\":%lu,\"cpu_us\":%llu}\n",
                 (double)p->counted_ns / 1e9, p->requests, p->answers, p->count, p->most_in_flight,
                 p->in_flight_seconds, p->open, (unsigned long long)cpu_us());
        send_text(fd, text);
}

/* ---- answers under way ---- */

static void answer_later(struct provider *p, const struct connection *c, const struct canned_answer *answer)
{
        if (p->count == p->ring_size)
                die("more requests at once than file descriptors");
        count_time(p);
        p->ring[(p->first + p->count) % p->ring_size] = (struct answer_due){
                .at_ns = p->counted_ns + p->delay_ns, .fd = c->fd, .generation = c->generation, .answer = answer
        };
        p->requests++;
        if (++p->count > p->most_in_flight)
                p->most_in_flight = p->count;
}

static void answer_due(struct provider *p)
{
        const uint64_t now = now_ns();
        while (p->count && p->ring[p->first].at_ns <= now) {
                const struct answer_due *d = &p->ring[p->first];
                count_time(p);
                /* A response fits into an empty send buffer, and nobody asks again before he was answered. */
                if (p->connections[d->fd].generation == d->generation &&
                    send(d->fd, d->answer->response, d->answer->size, MSG_NOSIGNAL) >= 0)
                        p->answers++;
                p->first = (p->first + 1) % p->ring_size;
                p->count--;
        }
}

/* ---- connections ---- */

static void drop(struct provider *p, struct connection *c)
{
        close(c->fd);
        free(c->part);
        *c = (struct connection){ .generation = c->generation + 1 };
        p->open--;
}

static void accept_all(struct provider *p)
{
        for (int fd; (fd = accept4(p->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
                if ((size_t)fd >= p->most)
                        die("more connections than file descriptors");
                const int one = 1;
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
                struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
                epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &event);
                p->connections[fd].fd = fd;
                p->open++;
        }
        if (errno != EAGAIN && errno != ECONNABORTED)
                die("accept: %s", strerror(errno));
}

/* The value of Content-Length within the head, 0 when there is none. */
static size_t body_size(const char *head, size_t size)
{
        static const char name[] = "content-length:";
        const char *end = head + size;
        for (const char *line = head; line < end; line++) {
                if (strncasecmp(line, name, sizeof(name) - 1) == 0)
                        return strtoul(line + sizeof(name) - 1, NULL, 10);
                line = memchr(line, '\n', (size_t)(end - line));
                if (!line)
                        break;
        }
        return 0;
}

static void take_request(struct provider *p, struct connection *c, const char *head, const char *body, size_t size)
{
        unsigned long ms;
        if (strncmp(head, "POST ", 5) == 0) {
                answer_later(p, c, choose_answer(body, size));
        } else if (sscanf(head, "GET /delay/%lu", &ms) == 1) {
                p->delay_ns = ms * 1000000;
                send_text(c->fd, "{}\n");
        } else {
                send_stats(p, c->fd);
        }
}

/* Take the requests that are complete; returns how many bytes they were. `at` is terminated by a NUL. */
static size_t take_requests(struct provider *p, struct connection *c, const char *at, size_t size)
{
        static const char end_of_head[] = "\r\n\r\n";
        size_t taken = 0;
        while (taken < size) {
                const char *head = at + taken;
                const char *end = memmem(head, size - taken, end_of_head, 4);
                if (!end)
                        break;
                const char *body = end + 4;
                const size_t wanted = body_size(head, (size_t)(end - head));
                if ((size_t)(at + size - body) < wanted)
                        break;
                take_request(p, c, head, body, wanted);
                taken = (size_t)(body - at) + wanted;
        }
        return taken;
}

static void keep_part(struct connection *c, const char *at, size_t size)
{
        char *copy = size ? malloc(size) : NULL;
        if (size && !copy)
                die("out of memory");
        if (size)
                memcpy(copy, at, size);
        free(c->part);
        c->part = copy;
        c->part_size = size;
}

static void read_from(struct provider *p, struct connection *c)
{
        if (c->part)
                memcpy(p->input, c->part, c->part_size);
        const ssize_t got = recv(c->fd, p->input + c->part_size, READ_SIZE - c->part_size - 1, 0);
        if (got < 0 && errno == EAGAIN)
                return;
        if (got <= 0) {
                drop(p, c);
                return;
        }
        const size_t size = c->part_size + (size_t)got;
        p->input[size] = '\0';
        const size_t taken = take_requests(p, c, p->input, size);
        if (taken < size || c->part)
                keep_part(c, p->input + taken, size - taken);
}

/* ---- life ---- */

static void open_files(struct provider *p)
{
        struct rlimit limit;
        getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        p->most = p->ring_size = limit.rlim_cur < 1000000 ? limit.rlim_cur : 1000000;
        p->connections = calloc(p->most, sizeof(*p->connections));
        p->ring = calloc(p->ring_size, sizeof(*p->ring));
        p->input = malloc(READ_SIZE);
        if (!p->connections || !p->ring || !p->input)
                die("out of memory");
}

static void listen_on(struct provider *p)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);
        p->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (p->listener < 0 || bind(p->listener, (struct sockaddr *)&address, size) < 0 ||
            listen(p->listener, BACKLOG) < 0 || getsockname(p->listener, (struct sockaddr *)&address, &size) < 0)
                die("listen: %s", strerror(errno));
        p->epoll = epoll_create1(EPOLL_CLOEXEC);
        for (int fd = 0; fd <= p->listener; fd += p->listener) { /* standard input, and who wants to connect */
                struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
                if (epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
                        die("standard input must be a pipe: %s", strerror(errno));
        }
        printf("%u\n", ntohs(address.sin_port));
        fflush(stdout);
}

/* Wait until something comes or the next answer is due. */
static int wait_events(const struct provider *p, struct epoll_event events[EVENTS])
{
        struct timespec wait = { 0 };
        if (p->count == 0)
                return epoll_wait(p->epoll, events, EVENTS, -1);
        const uint64_t now = now_ns(), due = p->ring[p->first].at_ns;
        if (due > now) {
                wait.tv_sec = (time_t)((due - now) / 1000000000);
                wait.tv_nsec = (long)((due - now) % 1000000000);
        }
        return epoll_pwait2(p->epoll, events, EVENTS, &wait, NULL);
}

int main(int argc, char **argv)
{
        struct provider p = { .counted_ns = now_ns() };
        struct epoll_event events[EVENTS];
        if (argc == 3 && strcmp(argv[1], "--delay") == 0)
                p.delay_ns = (uint64_t)number_of(argv[2], 0) * 1000000;
        else if (argc > 1)
                die("usage: provider [--delay MS]");
        make_answers();
        open_files(&p);
        listen_on(&p);
        for (;;) {
                const int count = wait_events(&p, events);
                for (int i = 0; i < count; i++) {
                        const int fd = events[i].data.fd;
                        if (fd == 0)
                                return 0;
                        if (fd == p.listener)
                                accept_all(&p);
                        else
                                read_from(&p, &p.connections[fd]);
                }
                answer_due(&p);
        }
}
