/* SPDX-License-Identifier: Apache-2.0 */
#include "results/redis/link.h"

#include "core/backoff.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/log.h"
#include "results/redis/poll.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { AGAIN_MS = 100, LONGEST_MS = 5000, LOOK_MS = 1000, SILENT_MS = 10000 };

/* A command that has no answer yet. */
struct request {
        struct request *next;
        struct redis_link *link;
        char *text; /* hiredis's own form, owned */
        size_t size;
        redis_answer *answer;
        void *arg;
        uint64_t sent_ms; /* 0: not sent over the connection that is up */
        bool dropped;     /* the link was closed */
};

enum link_state { LINK_AWAY, LINK_RESOLVING, LINK_CONNECTING, LINK_GREETING, LINK_UP, LINK_CLOSED };

struct redis_link {
        uv_loop_t *loop;
        struct redis_address address;
        unsigned connect_timeout_ms;
        enum link_state state;
        redisAsyncContext *context;
        uv_timer_t timer; /* until the next try, or the next look at the clock */
        uv_getaddrinfo_t resolver;
        uint64_t since_ms; /* of this state */
        unsigned failures, greetings;
        bool told; /* that it is away */
        struct request *first, **end;
};

static void begin(struct redis_link *l);
static void away(struct redis_link *l, const char *why);
static void flush(struct redis_link *l);
static void on_timer(uv_timer_t *timer);

int redis_link_open(struct redis_link **out, uv_loop_t *loop, unsigned connect_timeout_ms,
                    struct redis_address *address)
{
        struct redis_link *l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        l->loop = loop;
        l->connect_timeout_ms = connect_timeout_ms;
        l->address = *address;
        *address = (struct redis_address){ 0 };
        l->end = &l->first;
        uv_timer_init(loop, &l->timer);
        l->timer.data = l;
        uv_unref((uv_handle_t *)&l->timer);
        uv_timer_start(&l->timer, on_timer, LOOK_MS, LOOK_MS);
        begin(l);
        *out = l;
        return 0;
}

/* ---- commands ---- */

static void free_request(struct request *q)
{
        redisFreeCommand(q->text);
        free(q);
}

/* Words that a server says while it can't serve yet, or no more. */
static bool passes(const redisReply *reply)
{
        static const char *const words[] = { "LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "BUSY",
                                             "OOM",     "MISCONF",  "NOREPLICAS", "NOAUTH",      "TRYAGAIN" };
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (strncmp(reply->str, words[i], strlen(words[i])) == 0)
                        return true;
        return false;
}

static void on_reply(redisAsyncContext *context, void *data, void *arg)
{
        struct request *q = (struct request *)arg;
        redisReply *reply = (redisReply *)data;
        struct redis_link *l = q->link;
        if (q->dropped) {
                free_request(q);
                return;
        }
        if (reply && reply->type == REDIS_REPLY_ERROR && passes(reply)) {
                q->sent_ms = 0;
                if (l->context == context)
                        away(l, reply->str);
                return;
        }
        if (!reply) { /* the connection broke: it stays in the list and is sent again */
                q->sent_ms = 0;
                return;
        }
        l->first = q->next; /* answers come in the order of the commands */
        if (!l->first)
                l->end = &l->first;
        q->answer(reply, q->arg);
        free_request(q);
}

int redis_link_send(struct redis_link *l, const struct bytes words[], size_t count, redis_answer *answer, void *arg)
{
        enum { MOST = 24 };
        const char *texts[MOST];
        size_t sizes[MOST];
        struct request *q = calloc(1, sizeof(*q));
        for (size_t i = 0; i < count && i < MOST; i++) {
                texts[i] = words[i].size ? (const char *)words[i].data : "";
                sizes[i] = words[i].size;
        }
        const int size = q ? (int)redisFormatCommandArgv(&q->text, (int)count, texts, sizes) : -1;
        if (size < 0) {
                free(q);
                return -ENOMEM;
        }
        q->link = l;
        q->size = (size_t)size;
        q->answer = answer;
        q->arg = arg;
        *l->end = q;
        l->end = &q->next;
        if (l->state == LINK_UP)
                flush(l);
        return 0;
}

static void flush(struct redis_link *l)
{
        for (struct request *q = l->first; q && l->state == LINK_UP; q = q->next) {
                if (q->sent_ms)
                        continue;
                q->sent_ms = clock_mono_ms();
                if (redisAsyncFormattedCommand(l->context, on_reply, q, q->text, q->size) != REDIS_OK)
                        q->sent_ms = 0;
        }
}

/* ---- the connection ---- */

static void enter(struct redis_link *l, enum link_state state)
{
        l->state = state;
        l->since_ms = clock_mono_ms();
}

/* Let the connection go and try again in a while. */
static void away(struct redis_link *l, const char *why)
{
        redisAsyncContext *context = l->context;
        if (l->state == LINK_CLOSED)
                return;
        if (!l->told)
                log_warn("results", "Redis away: %s; what is to be stored waits", why);
        l->told = true;
        l->context = NULL;
        l->failures++;
        enter(l, LINK_AWAY);
        if (context)
                redisAsyncFree(context); /* inside one of its own callbacks hiredis puts that off by itself */
        for (struct request *q = l->first; q; q = q->next)
                q->sent_ms = 0;
        uv_timer_start(&l->timer, on_timer, AGAIN_MS + backoff_ms(AGAIN_MS, LONGEST_MS, l->failures, random_bits()),
                       LOOK_MS);
}

static void up(struct redis_link *l)
{
        enter(l, LINK_UP);
        l->failures = 0;
        if (l->told)
                log_info("results", "Redis is back");
        l->told = false;
        flush(l);
}

static void on_greeted(redisAsyncContext *context, void *data, void *arg)
{
        struct redis_link *l = (struct redis_link *)arg;
        const redisReply *reply = (const redisReply *)data;
        if (!reply || l->context != context)
                return;
        if (reply->type == REDIS_REPLY_ERROR)
                away(l, reply->str);
        else if (--l->greetings == 0)
                up(l);
}

/* AUTH and SELECT, as far as the URL asks for them. */
static void greet(struct redis_link *l)
{
        const struct redis_address *a = &l->address;
        redisAsyncContext *c = l->context;
        enter(l, LINK_GREETING);
        l->greetings = (a->password ? 1u : 0u) + (a->db ? 1u : 0u);
        if (a->password && a->user)
                redisAsyncCommand(c, on_greeted, l, "AUTH %s %s", a->user, a->password);
        else if (a->password)
                redisAsyncCommand(c, on_greeted, l, "AUTH %s", a->password);
        if (a->db)
                redisAsyncCommand(c, on_greeted, l, "SELECT %s", a->db);
        if (l->greetings == 0)
                up(l);
}

static void on_connected(const redisAsyncContext *context, int status)
{
        struct redis_link *l = (struct redis_link *)context->data;
        if (l->context != context)
                return;
        if (status == REDIS_OK) {
                greet(l);
                return;
        }
        l->context = NULL; /* hiredis frees it */
        away(l, context->errstr);
}

static void on_disconnected(const redisAsyncContext *context, int status)
{
        struct redis_link *l = (struct redis_link *)context->data;
        if (l->context != context)
                return;
        l->context = NULL; /* hiredis frees it */
        away(l, status == REDIS_OK || !context->errstr[0] ? "it closed the connection" : context->errstr);
}

static void use(struct redis_link *l, redisAsyncContext *context)
{
        if (context && !context->err && redis_poll_attach(context, l->loop) == 0) {
                l->context = context;
                context->data = l;
                redisAsyncSetDisconnectCallback(context, on_disconnected);
                redisAsyncSetConnectCallback(context, on_connected);
                enter(l, LINK_CONNECTING);
                return;
        }
        away(l, context && context->err ? context->errstr : "no connection could be made");
        if (context)
                redisAsyncFree(context);
}

static void finish_close(struct redis_link *l);

static void on_resolved(uv_getaddrinfo_t *resolver, int status, struct addrinfo *found)
{
        struct redis_link *l = (struct redis_link *)resolver->data;
        char text[INET6_ADDRSTRLEN] = "";
        resolver->data = NULL;
        if (status == 0 && found->ai_family == AF_INET)
                uv_ip4_name((const struct sockaddr_in *)found->ai_addr, text, sizeof(text));
        else if (status == 0 && found->ai_family == AF_INET6)
                uv_ip6_name((const struct sockaddr_in6 *)found->ai_addr, text, sizeof(text));
        const int port = (int)strtol(l->address.port, NULL, 10); /* a port: the URL was read */
        uv_freeaddrinfo(found);
        if (l->state == LINK_CLOSED)
                finish_close(l);
        else if (!*text)
                away(l, status ? uv_strerror(status) : "its name has no address");
        else
                use(l, redisAsyncConnect(text, port));
}

/* The name is looked up here, because hiredis would wait for it. */
static void begin(struct redis_link *l)
{
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
        if (l->address.path) {
                use(l, redisAsyncConnectUnix(l->address.path));
                return;
        }
        enter(l, LINK_RESOLVING);
        l->resolver.data = l;
        if (uv_getaddrinfo(l->loop, &l->resolver, on_resolved, l->address.host, NULL, &hints) == 0)
                return;
        l->resolver.data = NULL;
        away(l, "its name could not be looked up");
}

static void on_timer(uv_timer_t *timer)
{
        struct redis_link *l = (struct redis_link *)timer->data;
        const uint64_t now_ms = clock_mono_ms();
        switch (l->state) {
        case LINK_AWAY: begin(l); break;
        case LINK_CONNECTING:
        case LINK_GREETING:
                if (now_ms - l->since_ms > l->connect_timeout_ms)
                        away(l, "no answer while connecting");
                break;
        case LINK_UP:
                if (l->first && l->first->sent_ms && now_ms - l->first->sent_ms > SILENT_MS)
                        away(l, "it has not answered for 10 s");
                break;
        case LINK_RESOLVING:
        case LINK_CLOSED: break;
        }
}

/* ---- closing ---- */

static void on_timer_closed(uv_handle_t *handle)
{
        struct redis_link *l = (struct redis_link *)handle->data;
        redis_address_free(&l->address);
        free(l);
}

static void finish_close(struct redis_link *l)
{
        uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}

void redis_link_close(struct redis_link *l)
{
        redisAsyncContext *context = l->context;
        struct request *list = l->first;
        l->state = LINK_CLOSED;
        l->context = NULL;
        l->first = NULL;
        l->end = &l->first;
        const bool connected = context != NULL;
        for (struct request *q = list, *next; q; q = next) {
                next = q->next;
                q->dropped = true;
                q->answer(NULL, q->arg);
                if (!q->sent_ms || !connected)
                        free_request(q);
        }
        if (context)
                redisAsyncFree(context); /* what was sent is called back once more, and freed there */
        if (l->resolver.data)
                uv_cancel((uv_req_t *)&l->resolver);
        else
                finish_close(l);
}
