/* SPDX-License-Identifier: Apache-2.0 */
/* A request from its line to its answer. It is kept by its connection, and by handlers that answer later. */
#include "core/clock.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/http/server_own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct exchange *exchange_new(struct server *s, struct MHD_Connection *connection, const char *raw)
{
        const size_t size = strlen(raw) + 1;
        const union MHD_ConnectionInfo *peer = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        struct exchange *x = calloc(1, sizeof(*x) + size);
        if (!x || !peer || !peer->socket_context) {
                free(x);
                return NULL;
        }
        x->server = s;
        x->connection = connection;
        x->peer = (struct peer *)peer->socket_context;
        x->references = 1;
        x->begun_us = clock_mono_us();
        memcpy(x->raw, raw, size);
        x->next = s->exchanges;
        if (x->next)
                x->next->before = x;
        s->exchanges = x;
        return x;
}

/* The server may be gone before an exchange whose client has left. */
static void exchange_uncount_body(struct exchange *x)
{
        if (x->counted)
                x->server->bodies -= x->counted;
        x->counted = 0;
}

void exchange_count_body(struct exchange *x, size_t size)
{
        if (!x->connection)
                return;
        x->counted += size;
        x->server->bodies += size;
}

void exchange_drop_body(struct exchange *x)
{
        exchange_uncount_body(x);
        buffer_free(&x->body);
}

void exchange_drop(struct exchange *x)
{
        if (--x->references > 0)
                return;
        target_free(&x->target);
        exchange_drop_body(x);
        buffer_free(&x->out);
        free(x->name);
        for (size_t i = 0; i < x->header_count; i++)
                free(x->headers[i].value);
        if (x->response)
                MHD_destroy_response(x->response);
        free(x);
}

void exchange_tell_over(struct exchange *x)
{
        exchange_over *over = x->over;
        x->over = NULL;
        if (over)
                over(x, x->over_arg);
}

void exchange_leave(struct exchange *x)
{
        if (x->before)
                x->before->next = x->next;
        else
                x->server->exchanges = x->next;
        if (x->next)
                x->next->before = x->before;
        x->connection = NULL;
        exchange_uncount_body(x);
        exchange_tell_over(x);
        exchange_drop(x);
}

/* ---- the request ---- */

const struct target *exchange_target(const struct exchange *x)
{
        return &x->target;
}

const struct route *exchange_route(const struct exchange *x)
{
        return x->route;
}

struct bytes exchange_body(const struct exchange *x)
{
        return buffer_view(&x->body);
}

void exchange_replace_body(struct exchange *x, struct buffer *takes)
{
        exchange_drop_body(x);
        x->body = *takes;
        *takes = (struct buffer){ 0 };
}

const char *exchange_header(const struct exchange *x, const char *name)
{
        return x->connection ? MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name) : NULL;
}

void exchange_keep(struct exchange *x, uint64_t ms)
{
        x->references++;
        exchange_until(x, ms);
}

void exchange_until(struct exchange *x, uint64_t ms)
{
        x->until_ms = clock_mono_ms() + ms;
}

void exchange_on_over(struct exchange *x, exchange_over *over, void *arg)
{
        x->over = over;
        x->over_arg = arg;
}

bool exchange_is_over(const struct exchange *x)
{
        return !x->connection || x->ended;
}

/* ---- the answer ---- */

void exchange_add_header(struct exchange *x, const char *name, const char *value)
{
        char *copy = x->header_count < SERVER_MOST_HEADERS ? strdup(value) : NULL;
        if (!copy)
                return;
        struct answer_header *h = &x->headers[x->header_count++];
        snprintf(h->name, sizeof(h->name), "%s", name);
        h->value = copy;
}

void exchange_name(struct exchange *x, const char *id)
{
        free(x->name);
        x->name = id ? strdup(id) : NULL; /* NULL when memory ran out: then nothing is said of it */
}

void exchange_set_who(struct exchange *x, const char *who)
{
        snprintf(x->who, sizeof(x->who), "%s", who);
}

void exchange_set_who_until(struct exchange *x, int64_t until_s)
{
        x->who_until_s = until_s;
}

int64_t exchange_who_until(const struct exchange *x)
{
        return x->who_until_s;
}

void exchange_set_own(struct exchange *x, void *own)
{
        x->own = own;
}

void *exchange_own(const struct exchange *x)
{
        return x->own;
}

const char *exchange_who(const struct exchange *x)
{
        return x->who;
}

static void exchange_wake(struct exchange *x)
{
        if (!x->suspended)
                return;
        x->suspended = false;
        MHD_resume_connection(x->connection);
        server_turn(x->server);
}

void exchange_leave_unanswered(struct exchange *x)
{
        x->left = true;
        exchange_wake(x);
}

static bool exchange_says(const struct exchange *x, const char *name)
{
        for (size_t i = 0; i < x->header_count; i++)
                if (strcmp(x->headers[i].name, name) == 0)
                        return true;
        return false;
}

/* Takes the response; without one (memory ran out) the connection ends. */
static void exchange_respond(struct exchange *x, unsigned status, const char *type, struct MHD_Response *response)
{
        x->status = status;
        x->response = response;
        x->ended = !x->streams;
        x->until_ms = 0;
        exchange_drop_body(x);
        if (response) {
                MHD_add_response_header(response, "Content-Type", type);
                if (!exchange_says(x, "Cache-Control"))
                        MHD_add_response_header(response, "Cache-Control", "no-store");
                MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
                for (size_t i = 0; i < x->header_count; i++)
                        MHD_add_response_header(response, x->headers[i].name, x->headers[i].value);
                if (x->closes || x->server->stopping)
                        MHD_add_response_header(response, "Connection", "close");
        }
        exchange_wake(x);
}

void exchange_answer(struct exchange *x, unsigned status, const char *type, struct buffer *takes)
{
        struct MHD_Response *response = NULL;
        if (exchange_is_over(x) || x->streams) {
                buffer_free(takes);
                return;
        }
        if (!takes->failed)
                response =
                        MHD_create_response_from_buffer(takes->size, takes->data ? (void *)takes->data : (void *)"",
                                                        takes->data ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
        if (!response)
                buffer_free(takes);
        else
                x->sent = takes->size;
        exchange_respond(x, status, type, response);
}

/* NULL: memory ran out. */
static void answer_value(struct exchange *x, unsigned status, const char *type, const json_t *value)
{
        struct buffer body = { 0 };
        if (value)
                json_write(value, &body);
        body.failed = body.failed || !value;
        buffer_add_string(&body, "\n");
        exchange_answer(x, status, type, &body);
}

void exchange_answer_json(struct exchange *x, unsigned status, const json_t *value)
{
        answer_value(x, status, "application/json", value);
}

void exchange_answer_status(struct exchange *x, unsigned status, const struct problem *why)
{
        JSON_OWNED json_t *named = status == 503 && x->name ? json_pack("{s:s}", "id", x->name) : NULL;
        JSON_OWNED json_t *value = problem_details(status, why, named);
        if (!x->status)
                snprintf(x->code, sizeof(x->code), "%.39s", why->code);
        if (status == 503)
                exchange_add_header(x, "Retry-After", "1");
        answer_value(x, status, "application/problem+json", value);
}

void exchange_answer_problem(struct exchange *x, const struct problem *why)
{
        exchange_answer_status(x, problem_status(why, x->server->config.problems), why);
}

enum MHD_Result exchange_queue(struct exchange *x)
{
        struct MHD_Response *response = x->response;
        x->response = NULL;
        const enum MHD_Result result = response ? MHD_queue_response(x->connection, x->status, response) : MHD_NO;
        if (response)
                MHD_destroy_response(response);
        return result;
}

/* ---- streams ---- */

/* A stream that waits has nothing in libmicrohttpd's buffer, which is ours to fill, most of 16 KiB long, and was the one that the request was read into, cleared since: its pages can go. That halves what
 * a stream takes. */
static void stream_forget(struct exchange *x, char *out, size_t most)
{
        if (x->touched > SERVER_STREAM_PAGE)
                memory_forget(out, most);
        x->touched = 0;
}

static ssize_t on_stream_read(void *arg, uint64_t position, char *out, size_t most)
{
        struct exchange *x = (struct exchange *)arg;
        const size_t left = x->out.size - x->out_at, size = left < most ? left : most;
        (void)position;
        if (left == 0 && x->ended)
                return MHD_CONTENT_READER_END_OF_STREAM;
        if (left == 0) {
                buffer_free(&x->out); /* most streams wait, and have nothing to send */
                stream_forget(x, out, most);
                x->out_at = 0;
                x->suspended = true;
                MHD_suspend_connection(x->connection);
                return 0;
        }
        memcpy(out, x->out.data + x->out_at, size);
        x->out_at += size;
        x->sent += size;
        x->touched = x->touched > size ? x->touched : size;
        return (ssize_t)size;
}

void exchange_begin(struct exchange *x, const char *type)
{
        enum { BLOCK = 512 };
        if (exchange_is_over(x))
                return;
        x->streams = true;
        x->touched = SIZE_MAX;
        exchange_add_header(x, "X-Accel-Buffering", "no");
        exchange_respond(x, 200, type,
                         MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_stream_read, x, NULL));
}

bool exchange_send(struct exchange *x, struct bytes text)
{
        if (exchange_is_over(x))
                return false;
        buffer_add(&x->out, text.data, text.size);
        if (x->out.failed || x->out.size - x->out_at > SERVER_STREAM_BYTES) {
                exchange_end(x);
                return false;
        }
        exchange_wake(x);
        return true;
}

void exchange_end(struct exchange *x)
{
        if (exchange_is_over(x))
                return;
        x->ended = true;
        exchange_wake(x);
}
