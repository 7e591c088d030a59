/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/link.h"

#include "core/clock.h"
#include "redis/link_own.h"
#include "redis/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
        LOOK_MS = 1000,
        SILENT_MS = 10000,
        GRACE_MS = 1000,           /* a library's program may be about to unload it */
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

static void link_release(struct redis_link *l)
{
        SSL_CTX_free(l->tls);
        free(l->master.name);
        free(l->master.port);
        redis_address_free(&l->address);
        absence_destroy(&l->absence);
        free(l);
}

int redis_link_open(struct redis_link **out, const struct redis_link_config *config, struct redis_address *address,
                    struct problem *why)
{
        struct redis_link *l = calloc(1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        l->config = *config;
        l->address = *address;
        *address = (struct redis_address){ 0 };
        l->end = &l->first;
        absence_init(&l->absence, "results", "Redis", config->then ? config->then : "");
        l->away_ms = clock_mono_ms();
        const int rc = l->address.tls.on ? redis_tls_context(&l->tls, &l->address.tls, why) : 0;
        if (rc) {
                link_release(l);
                return rc;
        }
        uv_timer_init(config->loop, &l->timer);
        l->timer.data = l;
        uv_unref((uv_handle_t *)&l->timer);
        if (!config->on_demand) {
                uv_timer_start(&l->timer, link_timer, LOOK_MS, LOOK_MS);
                link_connect(l);
        }
        *out = l;
        return 0;
}

const char *redis_link_prefix(const struct redis_link *l)
{
        return l->address.prefix ? l->address.prefix : "";
}

/* ---- commands ---- */

static void link_flush(struct redis_link *l)
{
        while (l->state == LINK_UP && l->unsent && redis_wire_unsent(l->wire) < UNSENT_MOST) {
                redis_wire_write(l->wire, buffer_view(&l->unsent->text));
                l->unsent = l->unsent->next;
        }
}

/* "*2\r\n$4\r\nPING\r\n…": as hiredis would write it, which prints and measures every number twice. */
static void link_format(const struct bytes words[], size_t count, struct buffer *out)
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
static bool link_is_given_up(const struct redis_link *l)
{
        return !l->config.on_demand && l->away_ms && l->state < LINK_UP &&
               clock_mono_ms() - l->away_ms >= REDIS_PATIENCE_MS;
}

/* Is a connection to be made because of what is to be sent? */
static bool link_connects_for_it(const struct redis_link *l)
{
        return l->config.on_demand && l->state == LINK_AWAY;
}

/* Is there nothing to look at the clock for? */
static bool link_is_idle(const struct redis_link *l)
{
        return l->config.on_demand && !l->first && (l->state == LINK_AWAY || l->state == LINK_UP);
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
        link_format(words, count, &q->text);
        q->answer = answer;
        q->arg = arg;
        if (!l->first)
                l->moving_ms = clock_mono_ms(); /* nothing was to be heard before */
        *l->end = q;
        l->end = &q->next;
        if (!l->unsent)
                l->unsent = q;
        if (link_is_given_up(l) || link_connects_for_it(l))
                uv_timer_start(&l->timer, link_timer, 0, LOOK_MS); /* it goes on there */
        else if (!uv_is_active((uv_handle_t *)&l->timer))
                uv_timer_start(&l->timer, link_timer, LOOK_MS, LOOK_MS);
        link_flush(l);
        return 0;
}

/* Take the first one out of the list and answer it. */
static void link_answer_first(struct redis_link *l, redisReply *reply)
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

const char *redis_link_why(const struct redis_link *l, bool *refused)
{
        *refused = l->refused;
        return l->why;
}

/* Those that come meanwhile wait for the next look. */
void link_give_up(struct redis_link *l)
{
        size_t count = 0;
        for (const struct request *q = l->first; q; q = q->next)
                count++;
        for (; count && l->first; count--)
                link_answer_first(l, NULL);
}

void link_forget_sent(struct redis_link *l)
{
        char said[] = "the connection broke each time when it was sent; it may be larger than Redis takes";
        redisReply given_up = { .type = REDIS_REPLY_ERROR, .str = said, .len = sizeof(said) - 1 };
        struct request *q = l->first;
        const bool sent = q && q != l->unsent;
        l->unsent = q;
        if (sent && q->text.size >= BIG && ++q->broken >= BIG_TRIES)
                link_answer_first(l, &given_up);
}

/* ---- what the connection says ---- */

static void link_on_up(void *arg)
{
        link_greeted((struct redis_link *)arg, NULL);
}

/* ["message", channel, what was published], which nobody asked for. */
static bool is_published(const redisReply *reply)
{
        return reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 &&
               reply->element[0]->type == REDIS_REPLY_STRING && strcmp(reply->element[0]->str, "message") == 0;
}

/* On demand, what a new connection did not cure is an answer. */
static bool link_waits_for_better(const struct redis_link *l, const redisReply *reply)
{
        return reply->type == REDIS_REPLY_ERROR && link_passes(reply) && !(l->config.on_demand && l->away_ms);
}

static void link_on_reply(redisReply *reply, void *arg)
{
        struct redis_link *l = (struct redis_link *)arg;
        l->moving_ms = clock_mono_ms();
        if (l->state != LINK_UP)
                link_greeted(l, reply);
        else if (l->config.heard && is_published(reply))
                l->config.heard(reply, l->config.arg);
        else if (l->first == l->unsent)
                link_away(l, "it answers what was not asked");
        else if (link_waits_for_better(l, reply))
                link_refused(l, reply);
        else {
                link_serves(l);
                link_answer_first(l, reply); /* answers come in the order of the commands */
        }
}

static void link_on_progress(void *arg)
{
        struct redis_link *l = (struct redis_link *)arg;
        l->moving_ms = clock_mono_ms();
        link_flush(l);
}

static void link_on_down(const char *why, void *arg)
{
        link_away((struct redis_link *)arg, why);
}

const struct redis_wire_listener link_listener = {
        .up = link_on_up, .reply = link_on_reply, .progress = link_on_progress, .down = link_on_down
};

void link_up(struct redis_link *l)
{
        l->moving_ms = clock_mono_ms();
        link_flush(l);
}

/* On demand nobody waits for another try of the same. */
static void link_fall_silent(struct redis_link *l, uint64_t now_ms)
{
        if (l->config.on_demand)
                l->away_ms = now_ms;
        link_away(l, l->config.on_demand ? "it does not answer" : "it has not answered for 10 s");
}

void link_timer(uv_timer_t *timer)
{
        struct redis_link *l = (struct redis_link *)timer->data;
        const uint64_t now_ms = clock_mono_ms();
        const uint64_t silent_ms = l->config.on_demand ? l->config.connect_timeout_ms : SILENT_MS;
        if (link_is_given_up(l))
                link_give_up(l);
        if (link_is_idle(l)) {
                uv_timer_stop(timer);
                return;
        }
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
                if (now_ms - l->since_ms > l->config.connect_timeout_ms)
                        link_away(l, "no answer while connecting");
                break;
        case LINK_UP:
                if (l->first && now_ms - l->moving_ms > silent_ms)
                        link_fall_silent(l, now_ms);
                break;
        case LINK_CLOSED: break;
        }
}

/* ---- closing ---- */

static void link_on_timer_closed(uv_handle_t *handle)
{
        link_release((struct redis_link *)handle->data);
}

void redis_link_close(struct redis_link *l)
{
        l->state = LINK_CLOSED;
        redis_wire_close(l->wire);
        l->wire = NULL;
        while (l->first)
                link_answer_first(l, NULL);
        link_stop_dialling(l, l->config.on_demand ? GRACE_MS : 0);
        uv_close((uv_handle_t *)&l->timer, link_on_timer_closed);
}
