/* SPDX-License-Identifier: Apache-2.0 */
/* A job's steps as server-sent events: each once, with its position as id, from the one after Last-Event-ID on; then `end`, whose id says that nothing follows.
 * Source: HTML standard, "Server-sent events". */
#include "core/clock.h"
#include "core/json.h"
#include "gateway/keys.h"
#include "gateway/own.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { STREAM_COMMENT_MS = 15000, STREAM_LOOK_MS = 1000 };

#define STREAM_END "-end"

const struct route_param stream_params[] = {
        { "lastEventId", ROUTE_TEXT, 0, 0, "as the header Last-Event-ID: go on after this event" },
        { 0 },
};

struct stream {
        struct streams *all;
        struct stream *next, *before; /* in the order in which they were last sent something */
        struct exchange *exchange;
        struct follower *follower;
        uint64_t sent_ms;
};

struct streams {
        struct gateway *gateway;
        unsigned keys_seen; /* their revision */
        uv_timer_t timer;
        struct stream *first, *last;
        json_t *step; /* that was written last, and how: the others of its job are told the same; owned, or NULL */
        struct buffer text;
};

static void stream_unlist(struct stream *s)
{
        *(s->before ? &s->before->next : &s->all->first) = s->next;
        *(s->next ? &s->next->before : &s->all->last) = s->before;
}

static void stream_list(struct stream *s)
{
        s->sent_ms = clock_mono_ms();
        s->next = NULL;
        s->before = s->all->last;
        *(s->before ? &s->before->next : &s->all->first) = s;
        s->all->last = s;
}

static void stream_end(struct stream *s)
{
        jobs_unfollow(s->follower);
        stream_unlist(s);
        exchange_on_over(s->exchange, NULL, NULL);
        exchange_end(s->exchange);
        exchange_drop(s->exchange);
        free(s);
}

static bool stream_send(struct stream *s, struct bytes text)
{
        stream_unlist(s);
        stream_list(s);
        return exchange_send(s->exchange, text);
}

static void on_stream_over(struct exchange *x, void *arg)
{
        (void)x;
        stream_end((struct stream *)arg);
}

/* ---- steps ---- */

static void stream_write(struct buffer *b, const struct job_news *news)
{
        const unsigned long long position = news->position;
        if (!news->step) {
                buffer_addf(b, "id: %llu" STREAM_END "\nevent: end\ndata: {\"state\":\"%s\"}\n\n", position,
                            news->state);
                return;
        }
        buffer_addf(b, "id: %llu\nevent: %s\ndata: ", position, json_text(news->step, "kind", "task"));
        json_write(news->step, b); /* one line: JSON has no bare line ends */
        buffer_add_string(b, "\n\n");
}

static void on_stream_news(const struct job_news *news, const struct problem *why, void *arg)
{
        struct stream *s = (struct stream *)arg;
        struct streams *all = s->all;
        if (why)
                return; /* the store is asked again */
        if (!news->step || news->step != all->step) {
                buffer_reset(&all->text);
                stream_write(&all->text, news);
                json_decref(all->step);
                all->step = json_incref((json_t *)news->step); /* so that no other comes to have its address */
        }
        if (all->text.failed || !stream_send(s, buffer_view(&all->text)) || !news->step)
                stream_end(s);
}

/* ---- beginning ---- */

/* The position after which to go on. 0; 1 with `why`; or 2: the stream had come to its end. */
static int stream_read_after(const struct exchange *x, uint64_t *after, struct problem *why)
{
        const char *header = exchange_header(x, "Last-Event-ID"),
                   *value = target_value(exchange_target(x), "lastEventId");
        const char *text = header && *header ? header : value ? value : "0";
        const size_t digits = strspn(text, "0123456789");
        if (digits == 0 || digits > 18 || (text[digits] && strcmp(text + digits, STREAM_END) != 0))
                return problem_set(why, "request", "bad_parameter",
                                   "Last-Event-ID must be the id of an event of this stream");
        *after = strtoull(text, NULL, 10);
        return text[digits] ? 2 : 0;
}

static struct stream *stream_new(struct streams *all, struct exchange *x, uint64_t after)
{
        struct problem why;
        const char *id = route_part(exchange_route(x), exchange_target(x), "id");
        struct stream *s = calloc(1, sizeof(*s));
        if (!s)
                return NULL;
        *s = (struct stream){ .all = all, .exchange = x };
        if (jobs_follow(all->gateway->jobs, id, after, on_stream_news, s, &s->follower, &why)) {
                free(s);
                return NULL;
        }
        return s;
}

void stream_job(void *owner, struct exchange *x)
{
        struct gateway *g = (struct gateway *)owner;
        struct problem why;
        struct buffer nothing = { 0 };
        uint64_t after = 0;
        const int code = stream_read_after(x, &after, &why);
        struct stream *s = code || g->stopping ? NULL : stream_new(g->streams, x, after);
        if (code == 2) { /* browsers do not come back after that */
                exchange_answer(x, 204, "text/event-stream", &nothing);
        } else if (code == 1) {
                exchange_answer_problem(x, &why);
        } else if (g->stopping) {
                problem_set(&why, "gateway", "stopping", "this server stops");
                exchange_answer_problem(x, &why);
        } else if (!s) {
                answer_starved(x);
        } else {
                exchange_keep(x, GATEWAY_ANSWER_MS);
                exchange_begin(x, "text/event-stream");
                exchange_on_over(x, on_stream_over, s);
                stream_list(s);
                stream_send(s, bytes_of_string("retry: 2000\n\n"));
        }
}

/* ---- signs of life ---- */

/* Whose key was revoked hears no more; who comes back with it is refused. */
static bool stream_stays(const struct exchange *x, void *arg)
{
        return keys_count((const struct keys *)arg, x);
}

static void streams_review(struct streams *all)
{
        const unsigned revision = keys_revision(all->gateway->keys);
        if (revision != all->keys_seen)
                server_end_waiting(all->gateway->server, stream_stays, keys_dismiss, all->gateway->keys);
        all->keys_seen = revision;
}

static void on_stream_timer(uv_timer_t *timer)
{
        struct streams *all = (struct streams *)timer->data;
        const uint64_t now_ms = clock_mono_ms();
        streams_review(all);
        for (struct stream *s = all->first, *next; s && s->sent_ms + STREAM_COMMENT_MS <= now_ms + STREAM_LOOK_MS;
             s = next) {
                next = s->next; /* the one that is told goes to the end */
                if (!stream_send(s, bytes_of_string(":\n\n")))
                        stream_end(s);
        }
}

int streams_open(struct streams **out, uv_loop_t *loop, struct gateway *g)
{
        struct streams *all = calloc(1, sizeof(*all));
        if (!all)
                return -ENOMEM;
        all->gateway = g;
        all->keys_seen = keys_revision(g->keys);
        uv_timer_init(loop, &all->timer);
        all->timer.data = all;
        uv_timer_start(&all->timer, on_stream_timer, STREAM_LOOK_MS, STREAM_LOOK_MS);
        *out = all;
        return 0;
}

static void on_streams_closed(uv_handle_t *handle)
{
        free(handle->data);
}

void streams_close(struct streams *all)
{
        if (!all)
                return;
        for (struct stream *s = all->first, *next; s; s = next) {
                next = s->next;
                stream_end(s);
        }
        json_decref(all->step);
        buffer_free(&all->text);
        uv_close((uv_handle_t *)&all->timer, on_streams_closed);
}
