/* SPDX-License-Identifier: Apache-2.0 */
/* A chord's header with groups in it, from a server that says what it is told to: one that no chord can have is refused, and not told again. */
#include "results/results.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { REPLIES = 4 };

/* Answers each command in turn with the next of its replies. */
struct fake_redis {
        uv_loop_t loop;
        uv_tcp_t listener, link;
        struct buffer heard;
        struct bytes replies[REPLIES];
        uv_write_t writes[REPLIES];
        size_t answered;
        enum chord_verdict verdict;
        bool told;
};

/* How long the first command is, as "*2\r\n$3\r\nGET\r\n…"; 0 = not all of it is there. */
static size_t command_size(const struct buffer *b)
{
        const char *text = (const char *)b->data;
        size_t at = 0;
        for (long lines = 1; lines > 0; lines--) { /* that say how many words there are, and how long each is */
                const char *end = at < b->size ? memchr(text + at, '\n', b->size - at) : NULL;
                if (!end)
                        return 0;
                const long number = strtol(text + at + 1, NULL, 10);
                const bool is_word = text[at] == '$';
                at = (size_t)(end - text) + 1;
                if (is_word)
                        at += (size_t)number + 2;
                else
                        lines += number;
        }
        return at <= b->size ? at : 0;
}

static void server_answer(struct fake_redis *s)
{
        assert_true(s->answered < REPLIES);
        const struct bytes reply = s->replies[s->answered];
        const uv_buf_t out = uv_buf_init((char *)(uintptr_t)reply.data, (unsigned)reply.size);
        assert_int_equal(uv_write(&s->writes[s->answered++], (uv_stream_t *)&s->link, &out, 1, NULL), 0);
}

static void on_heard(uv_stream_t *stream, ssize_t size, const uv_buf_t *in)
{
        struct fake_redis *s = stream->data;
        if (size > 0)
                buffer_add(&s->heard, in->base, (size_t)size);
        free(in->base);
        for (size_t used; size > 0 && (used = command_size(&s->heard)) > 0;) {
                struct buffer rest = { 0 };
                buffer_add(&rest, s->heard.data + used, s->heard.size - used);
                buffer_free(&s->heard);
                s->heard = rest;
                server_answer(s);
        }
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *out)
{
        (void)handle;
        *out = uv_buf_init(malloc(size), (unsigned)size);
}

static void on_link(uv_stream_t *listener, int status)
{
        struct fake_redis *s = listener->data;
        assert_int_equal(status, 0);
        uv_tcp_init(&s->loop, &s->link);
        s->link.data = s;
        assert_int_equal(uv_accept(listener, (uv_stream_t *)&s->link), 0);
        uv_read_start((uv_stream_t *)&s->link, on_alloc, on_heard);
}

/* Returns its port. */
static int server_listen(struct fake_redis *s)
{
        struct sockaddr_in address;
        int size = sizeof(address);
        uv_loop_init(&s->loop);
        uv_tcp_init(&s->loop, &s->listener);
        s->listener.data = s;
        uv_ip4_addr("127.0.0.1", 0, &address);
        assert_int_equal(uv_tcp_bind(&s->listener, (const struct sockaddr *)&address, 0), 0);
        assert_int_equal(uv_listen((uv_stream_t *)&s->listener, 1, on_link), 0);
        assert_int_equal(uv_tcp_getsockname(&s->listener, (struct sockaddr *)&address, &size), 0);
        return ntohs(address.sin_port);
}

static void on_counted(const struct chord_reply *reply, void *arg)
{
        struct fake_redis *s = arg;
        s->verdict = reply->verdict;
        s->told = true;
}

/* The last part of a header, whose saved GroupResult says that it has so many results. */
static enum chord_verdict count_part(size_t results, unsigned *asked)
{
        struct fake_redis s = { .answered = 0 };
        struct results *r = NULL;
        struct buffer saved = { 0 }, reply = { 0 };
        char url[48];
        buffer_add_string(&saved, "{\"result\":[[\"g\",null],[");
        for (size_t i = 0; i < results; i++)
                buffer_add_string(&saved, i ? ",0" : "0"); /* its id can't be read, but it counts */
        buffer_add_string(&saved, "]]}");
        buffer_addf(&reply, "$%zu\r\n%.*s\r\n", saved.size, (int)saved.size, (const char *)saved.data);
        s.replies[0] = bytes_of_string("+PONG\r\n");
        s.replies[1] = bytes_of_string("*2\r\n:1\r\n:1\r\n"); /* ready, with one part */
        s.replies[2] = buffer_view(&reply);
        s.replies[3] = bytes_of_string("*0\r\n");
        snprintf(url, sizeof(url), "redis://127.0.0.1:%d/", server_listen(&s));
        const struct results_config config = {
                .loop = &s.loop, .urls = url, .expires_s = 60, .connect_timeout_ms = 5000
        };
        const struct chord_part part = { .group_id = "g", .task_id = "t", .member = bytes_of_string("[]") };
        assert_int_equal(results_open(&r, &config, NULL), 0);
        results_chord_part(r, &part, on_counted, &s);
        while (!s.told)
                uv_run(&s.loop, UV_RUN_ONCE);
        results_close(r);
        uv_close((uv_handle_t *)&s.link, NULL);
        uv_close((uv_handle_t *)&s.listener, NULL);
        uv_run(&s.loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&s.loop), 0);
        buffer_free(&s.heard);
        buffer_free(&saved);
        buffer_free(&reply);
        *asked = (unsigned)s.answered;
        return s.verdict;
}

static void a_header_that_no_chord_can_have_is_refused(void **state)
{
        enum { MOST = 1 << 20 };
        static const struct {
                size_t results;
                enum chord_verdict verdict;
                unsigned asked; /* the last command asks for the results themselves */
        } rows[] = {
                { 0, CHORD_REFUSED, 3 },
                { 1, CHORD_FAILED, 4 },
                { MOST, CHORD_FAILED, 4 },
                { MOST + 1, CHORD_REFUSED, 3 },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                unsigned asked = 0;
                assert_int_equal(count_part(rows[i].results, &asked), rows[i].verdict);
                assert_int_equal(asked, rows[i].asked);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(a_header_that_no_chord_can_have_is_refused) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
