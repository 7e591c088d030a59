/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/link.h"

#include "core/clock.h"
#include "redis/link_own.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
        LOOK_MS = 1000,
        SILENT_MS = 10000,
        UNSENT_MOST = 1024 * 1024, /* handed to the connection ahead of the socket */
        BIG = 1024 * 1024,         /* a command of that size may be what breaks the connection … */
        BIG_TRIES = 5,             /* … so it is given up after as many */
};

/* A command that has no answer yet. */
struct request {
        struct request *next;
        struct buffer text; /* as Redis reads it */
        redis_answer *answer;
        void *arg;
        unsigned broken; /* connections that broke while it was the next to be answered */
};

/* ---- opening ---- */

static void release(struct redis_link *l)
{
        SSL_CTX_free(l->tls);
        free(l->master.name);
        free(l->master.port);
        redis_address_free(&l->address);
        absence_destroy(&l->absence);
        free(l);
}

int redis_link_open(struct redis_link **out, uv_loop_t *loop, unsigned connect_timeout_ms,
                    struct redis_address *address, struct problem *why)
{
        struct redis_link *l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        l->loop = loop;
        l->connect_timeout_ms = connect_timeout_ms;
        l->address = *address;
        *address = (struct redis_address){ 0 };
        l->end = &l->first;
        absence_init(&l->absence, "results", "Redis", "; what is to be stored waits");
        l->away_ms = clock_mono_ms();
        const int rc = l->address.tls.on ? redis_tls_context(&l->tls, &l->address.tls, why) : 0;
        if (rc) {
                release(l);
                return rc;
        }
        uv_timer_init(loop, &l->timer);
        l->timer.data = l;
        uv_unref((uv_handle_t *)&l->timer);
        uv_timer_start(&l->timer, link_timer, LOOK_MS, LOOK_MS);
        link_connect(l);
        *out = l;
        return 0;
}

const char *redis_link_prefix(const struct redis_link *l)
{
        return l->address.prefix ? l->address.prefix : "";
}

/* ---- commands ---- */

static void flush(struct redis_link *l)
{
        while (l->state == LINK_UP && l->unsent && redis_wire_unsent(l->wire) < UNSENT_MOST) {
                redis_wire_write(l->wire, buffer_view(&l->unsent->text));
                l->unsent = l->unsent->next;
        }
}

/* "*2\r\n$4\r\nPING\r\n…": as hiredis would write it, which prints and measures every number twice. */
static void format(const struct bytes words[], size_t count, struct buffer *out)
{
        buffer_addf(out, "*%zu\r\n", count);
        for (size_t i = 0; i < count; i++) {
                char size[24], *at = size + sizeof(size);
                size_t left = words[i].size;
                *--at = '\n';
                *--at = '\r';
                do {
                        *--at = (char)('0' + left % 10);
                } while (left /= 10);
                *--at = '$';
                buffer_add(out, at, (size_t)(size + sizeof(size) - at));
                buffer_add(out, words[i].data, words[i].size);
                buffer_add(out, "\r\n", 2);
        }
}

/* Away for so long that nobody waits for it? One that was greeted is given the time to answer. */
static bool is_given_up(const struct redis_link *l)
{
        return l->away_ms && l->state < LINK_UP && clock_mono_ms() - l->away_ms >= REDIS_PATIENCE_MS;
}

int redis_link_send(struct redis_link *l, const struct bytes words[], size_t count, redis_answer *answer, void *arg)
{
        enum { FRAME = 32 };
        struct request *q = calloc(1, sizeof(*q));
        size_t size = FRAME;
        for (size_t i = 0; i < count; i++)
                size += words[i].size + FRAME;
        if (!q || !buffer_reserve(&q->text, size)) {
                free(q);
                return -ENOMEM;
        }
        format(words, count, &q->text);
        q->answer = answer;
        q->arg = arg;
        if (!l->first)
                l->moving_ms = clock_mono_ms(); /* nothing was to be heard before */
        *l->end = q;
        l->end = &q->next;
        if (!l->unsent)
                l->unsent = q;
        if (is_given_up(l))
                uv_timer_start(&l->timer, link_timer, 0, LOOK_MS); /* it is answered there */
        flush(l);
        return 0;
}

/* Take the first one out of the list and answer it. */
static void answer_first(struct redis_link *l, redisReply *reply)
{
        struct request *q = l->first;
        if (l->unsent == q)
                l->unsent = q->next;
        l->first = q->next;
        if (!l->first)
                l->end = &l->first;
        q->answer(reply, q->arg);
        buffer_free(&q->text);
        free(q);
}

bool redis_link_away(const struct redis_link *l)
{
        return l->away_ms != 0;
}

bool redis_link_closed(const struct redis_link *l)
{
        return l->state == LINK_CLOSED;
}

/* It has been away for too long: who waits is to find another way. Those that come meanwhile wait for the next look. */
static void give_up(struct redis_link *l)
{
        size_t count = 0;
        if (!is_given_up(l))
                return;
        for (const struct request *q = l->first; q; q = q->next)
                count++;
        for (; count && l->first; count--)
                answer_first(l, NULL);
}

void link_forget_sent(struct redis_link *l)
{
        static char said[] = "the connection broke each time when it was sent; it may be larger than Redis takes";
        redisReply given_up = { .type = REDIS_REPLY_ERROR, .str = said, .len = sizeof(said) - 1 };
        struct request *q = l->first;
        const bool sent = q && q != l->unsent;
        l->unsent = q;
        if (sent && q->text.size >= BIG && ++q->broken >= BIG_TRIES)
                answer_first(l, &given_up);
}

/* ---- what the connection says ---- */

static void on_up(void *arg)
{
        link_greeted((struct redis_link *)arg, NULL);
}

static void on_reply(redisReply *reply, void *arg)
{
        struct redis_link *l = (struct redis_link *)arg;
        l->moving_ms = clock_mono_ms();
        if (l->state != LINK_UP)
                link_greeted(l, reply);
        else if (l->first == l->unsent)
                link_away(l, "it answers what was not asked");
        else if (reply->type == REDIS_REPLY_ERROR && link_passes(reply))
                link_away(l, reply->str);
        else {
                link_serves(l);
                answer_first(l, reply); /* answers come in the order of the commands */
        }
}

static void on_progress(void *arg)
{
        struct redis_link *l = (struct redis_link *)arg;
        l->moving_ms = clock_mono_ms();
        flush(l);
}

static void on_down(const char *why, void *arg)
{
        link_away((struct redis_link *)arg, why);
}

const struct redis_wire_listener link_listener = {
        .up = on_up, .reply = on_reply, .progress = on_progress, .down = on_down
};

void link_up(struct redis_link *l)
{
        l->moving_ms = clock_mono_ms();
        flush(l);
}

void link_timer(uv_timer_t *timer)
{
        struct redis_link *l = (struct redis_link *)timer->data;
        const uint64_t now_ms = clock_mono_ms();
        give_up(l);
        switch (l->state) {
        case LINK_AWAY:
                if (now_ms >= l->next_ms)
                        link_connect(l);
                else
                        uv_timer_start(&l->timer, link_timer, l->next_ms - now_ms, LOOK_MS);
                break;
        case LINK_DIALLING: /* a name may be looked up for longer than that */
        case LINK_CONNECTING:
        case LINK_GREETING:
                if (now_ms - l->since_ms > l->connect_timeout_ms)
                        link_away(l, "no answer while connecting");
                break;
        case LINK_UP:
                if (l->first && now_ms - l->moving_ms > SILENT_MS)
                        link_away(l, "it has not answered for 10 s");
                break;
        case LINK_CLOSED: break;
        }
}

/* ---- closing ---- */

static void on_timer_closed(uv_handle_t *handle)
{
        release((struct redis_link *)handle->data);
}

void redis_link_close(struct redis_link *l)
{
        l->state = LINK_CLOSED;
        redis_wire_close(l->wire);
        l->wire = NULL;
        while (l->first)
                answer_first(l, NULL);
        link_stop_dialling(l);
        uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}
