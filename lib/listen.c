/* SPDX-License-Identifier: Apache-2.0 */
/* Hearing that a result was published. A caller's thread makes a listener and waits on it; the loop thread subscribes, and frees it. */
#include "lib/redis.h"

#include <stdlib.h>
#include <string.h>

struct listener {
        /* Under the client's lock. */
        struct listener *next, *next_moved;
        unsigned heard; /* messages, and moments in which one may have been missed */
        int code;       /* why it can't be heard */
        struct chard_error why;
        bool gone;  /* nobody waits here any more */
        bool moved; /* the loop has not seen yet that it is new, or gone */

        unsigned unanswered; /* SUBSCRIBEs; the loop thread's */
        size_t size;
        char channel[]; /* constant */
};

/* ---- callers' threads; locked ---- */

static void listener_move(struct chard *c, struct listener *l)
{
        if (l->moved)
                return;
        l->moved = true;
        l->next_moved = c->redis->moved;
        c->redis->moved = l;
        uv_async_send(&c->wake);
}

struct listener *listen_begin(struct chard *c, struct bytes channel)
{
        struct listener *l = calloc(1, sizeof(*l) + channel.size);
        if (!l)
                return NULL;
        memcpy(l->channel, channel.data, channel.size);
        l->size = channel.size;
        l->next = c->redis->listeners;
        c->redis->listeners = l;
        if (!c->redis->stopped)
                listener_move(c, l);
        return l;
}

void listen_end(struct chard *c, struct listener *l)
{
        struct listener **at = &c->redis->listeners;
        while (*at != l)
                at = &(*at)->next;
        *at = l->next;
        l->gone = true;
        if (c->redis->stopped)
                free(l);
        else
                listener_move(c, l);
}

int listen_wait(struct chard *c, struct listener *l, unsigned *heard, uint64_t until_ms, struct chard_error *why)
{
        while (l->heard == *heard && l->code == CHARD_OK && c->state == CLIENT_OPEN) {
                if (!client_wait(c, until_ms))
                        return CHARD_TIMED_OUT;
        }
        *heard = l->heard;
        if (c->state != CLIENT_OPEN)
                return lib_fail(why, CHARD_UNCERTAIN, "closed", "the handle is being closed");
        if (why && l->code != CHARD_OK)
                *why = l->why;
        return l->code;
}

/* ---- the loop thread ---- */

static void listener_free(struct listener *l)
{
        if (l->gone && !l->moved && !l->unanswered)
                free(l);
}

static void on_subscribed(redisReply *reply, void *arg);

/* What `on_subscribed` needs to know. */
struct subscribing {
        struct chard *client;
        struct listener *listener;
};

static int listener_send(struct chard *c, const struct listener *l, const char *command, redis_answer *answer,
                         void *arg)
{
        const struct bytes words[] = { bytes_of_string(command), bytes_of(l->channel, l->size) };
        return redis_link_send(c->redis->listening, words, 2, answer, arg);
}

/* Locked. */
static void listener_subscribe(struct chard *c, struct listener *l)
{
        struct subscribing *s = malloc(sizeof(*s));
        if (s)
                *s = (struct subscribing){ c, l };
        if (s && listener_send(c, l, "SUBSCRIBE", on_subscribed, s) == 0) {
                l->unanswered++;
                return;
        }
        free(s);
        l->code = lib_no_memory(&l->why);
        pthread_cond_broadcast(&c->changed);
}

static void on_subscribed(redisReply *reply, void *arg)
{
        const struct subscribing s = *(struct subscribing *)arg;
        struct chard *c = s.client;
        free(arg);
        pthread_mutex_lock(&c->lock);
        const int code = lib_redis_check(c->redis, c->redis->listening, reply, &s.listener->why);
        if (code == CHARD_OK)
                s.listener->heard++;
        else
                s.listener->code = code;
        s.listener->unanswered--;
        listener_free(s.listener);
        pthread_cond_broadcast(&c->changed);
        pthread_mutex_unlock(&c->lock);
}

static bool is_channel(const struct listener *l, struct bytes channel)
{
        return l->size == channel.size && memcmp(l->channel, channel.data, channel.size) == 0;
}

static bool is_listened_to(const struct lib_redis *r, struct bytes channel)
{
        for (const struct listener *l = r->listeners; l; l = l->next)
                if (is_channel(l, channel))
                        return true;
        return false;
}

static void on_unsubscribed(redisReply *reply, void *arg)
{
        (void)reply, (void)arg;
}

static void listener_look_at(struct chard *c, struct listener *l)
{
        l->moved = false;
        if (!l->gone) {
                listener_subscribe(c, l);
                return;
        }
        if (!is_listened_to(c->redis, bytes_of(l->channel, l->size)))
                listener_send(c, l, "UNSUBSCRIBE", on_unsubscribed, NULL); /* else its messages are passed over */
        listener_free(l);
}

void listen_update(struct chard *c)
{
        pthread_mutex_lock(&c->lock);
        struct listener *l = c->redis->moved;
        c->redis->moved = NULL;
        while (l) {
                struct listener *next = l->next_moved;
                listener_look_at(c, l);
                l = next;
        }
        pthread_mutex_unlock(&c->lock);
}

void listen_heard(const redisReply *message, void *client)
{
        struct chard *c = (struct chard *)client;
        const redisReply *channel = message->element[1];
        if (channel->type != REDIS_REPLY_STRING)
                return;
        pthread_mutex_lock(&c->lock);
        for (struct listener *l = c->redis->listeners; l; l = l->next)
                l->heard += is_channel(l, bytes_of(channel->str, channel->len));
        pthread_cond_broadcast(&c->changed);
        pthread_mutex_unlock(&c->lock);
}

void listen_lost(void *client)
{
        struct chard *c = (struct chard *)client;
        pthread_mutex_lock(&c->lock);
        for (struct listener *l = c->redis->listeners; l; l = l->next)
                if (!l->moved) /* it will be subscribed to, else */
                        listener_subscribe(c, l);
        pthread_mutex_unlock(&c->lock);
}

void listen_stop(struct chard *c)
{
        pthread_mutex_lock(&c->lock);
        struct listener *l = c->redis->moved;
        c->redis->moved = NULL;
        c->redis->stopped = true;
        while (l) {
                struct listener *next = l->next_moved;
                l->moved = false;
                listener_free(l);
                l = next;
        }
        pthread_mutex_unlock(&c->lock);
}
