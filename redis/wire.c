/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/wire.h"

#include "core/net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <unistd.h>

enum {
        SLICE = 1024 * 1024, /* what leaves at once, so that progress is seen */
        READ_SIZE = 64 * 1024,
        MOST_REPLY = 256 * 1024 * 1024, /* more than any message that could be made of it may hold */
};

struct redis_wire {
        union {
                uv_handle_t handle;
                uv_stream_t stream;
                uv_tcp_t tcp;
                uv_pipe_t pipe;
        } on;
        uv_prepare_t later; /* active while something is to leave at the end of this turn */
        uv_connect_t connecting;
        uv_write_t writing;
        const struct redis_wire_listener *listener;
        void *arg;
        redisReader *reader;
        size_t reply_size; /* bytes of the reply that is not complete yet, at least */
        SSL *tls;
        BIO *in, *out;         /* the SSL's own: ciphertext that came, and that is to leave */
        struct buffer waiting; /* not encrypted yet … */
        size_t taken;          /* … but for so much from its beginning */
        struct buffer flying;  /* being written */
        bool up, flies, closed;
        unsigned handles;
        char buffer[READ_SIZE];
};

static void wire_on_connected(uv_connect_t *connecting, int status);
static void wire_on_later(uv_prepare_t *later);
static void wire_send_some(struct redis_wire *w);

/* ---- opening and closing ---- */

static void wire_on_closed(uv_handle_t *handle)
{
        struct redis_wire *w = (struct redis_wire *)handle->data;
        if (--w->handles > 0)
                return;
        buffer_free(&w->waiting);
        buffer_free(&w->flying);
        SSL_free(w->tls); /* and its BIOs */
        redisReaderFree(w->reader);
        free(w);
}

void redis_wire_close(struct redis_wire *w)
{
        if (!w || w->closed)
                return;
        w->closed = true;
        uv_close(&w->on.handle, wire_on_closed);
        uv_close((uv_handle_t *)&w->later, wire_on_closed);
}

static int wire_connect(struct redis_wire *w, const struct redis_target *target)
{
        if (target->path) {
                uv_pipe_connect(&w->connecting, &w->on.pipe, target->path, wire_on_connected);
                return 0;
        }
        const int rc = uv_tcp_open(&w->on.tcp, target->fd);
        if (rc)
                close(target->fd);
        else
                wire_on_connected(&w->connecting, 0);
        return rc;
}

static bool wire_use_tls(struct redis_wire *w, SSL *tls)
{
        if (!tls)
                return true;
        BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
        if (!in || !out) {
                BIO_free(in);
                BIO_free(out);
                return false;
        }
        SSL_set_bio(tls, in, out);
        SSL_set_connect_state(tls);
        w->in = in;
        w->out = out;
        return true;
}

int redis_wire_open(struct redis_wire **out, uv_loop_t *loop, const struct redis_target *target,
                    const struct redis_wire_listener *listener, void *arg)
{
        struct redis_wire *w = calloc(1, sizeof(*w));
        redisReader *reader = redisReaderCreate();
        if (!w || !reader || !wire_use_tls(w, target->tls)) {
                free(w);
                SSL_free(target->tls);
                if (!target->path)
                        close(target->fd);
                if (reader)
                        redisReaderFree(reader);
                return -ENOMEM;
        }
        w->reader = reader;
        w->tls = target->tls;
        w->listener = listener;
        w->arg = arg;
        w->handles = 2;
        uv_prepare_init(loop, &w->later);
        if (target->path)
                uv_pipe_init(loop, &w->on.pipe, 0);
        else
                uv_tcp_init(loop, &w->on.tcp);
        w->later.data = w->on.handle.data = w->connecting.data = w->writing.data = w;
        *out = w;
        const int rc = wire_connect(w, target);
        if (rc) {
                redis_wire_close(w);
                *out = NULL;
        }
        return rc;
}

/* ---- breaking ---- */

static void wire_down(struct redis_wire *w, const char *why)
{
        if (w->closed)
                return;
        uv_read_stop(&w->on.stream);
        uv_prepare_stop(&w->later);
        w->listener->down(why, w->arg);
}

/* What the reader has complete. */
static void wire_hand_out(struct redis_wire *w)
{
        void *reply = NULL;
        while (!w->closed && redisReaderGetReply(w->reader, &reply) == REDIS_OK && reply) {
                w->reply_size = 0;
                w->listener->reply((redisReply *)reply, w->arg);
                freeReplyObject(reply);
        }
        if (w->reader->err)
                wire_down(w, w->reader->errstr);
        else if (w->reply_size > MOST_REPLY)
                wire_down(w, "a reply of it is longer than 256 MB");
}

static void wire_feed(struct redis_wire *w, const char *data, size_t size)
{
        w->reply_size += size;
        redisReaderFeed(w->reader, data, size);
}

/* ---- reading ---- */

static void wire_up(struct redis_wire *w)
{
        if (w->closed)
                return;
        w->up = true;
        w->listener->up(w->arg);
}

/* Returns false when the connection is of no more use. */
static bool wire_decrypt(struct redis_wire *w)
{
        int count = 0;
        ERR_clear_error();
        if (!w->up) {
                count = SSL_do_handshake(w->tls);
                if (count != 1 && SSL_get_error(w->tls, count) != SSL_ERROR_WANT_READ)
                        return false;
                wire_send_some(w);
                if (count != 1)
                        return true;
                wire_up(w);
                ERR_clear_error();
        }
        while (!w->closed && (count = SSL_read(w->tls, w->buffer, READ_SIZE)) > 0)
                wire_feed(w, w->buffer, (size_t)count);
        return w->closed || SSL_get_error(w->tls, count) == SSL_ERROR_WANT_READ;
}

static void wire_on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
        struct redis_wire *w = (struct redis_wire *)handle->data;
        (void)suggested;
        *out = uv_buf_init(w->buffer, READ_SIZE);
}

static void wire_on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *from)
{
        struct redis_wire *w = (struct redis_wire *)stream->data;
        char why[256];
        if (w->closed || size == 0)
                return;
        if (size < 0) {
                wire_down(w, size == UV_EOF ? "it closed the connection" : uv_strerror((int)size));
                return;
        }
        if (!w->tls) {
                wire_feed(w, from->base, (size_t)size);
                wire_hand_out(w);
                return;
        }
        const bool fine = BIO_write(w->in, from->base, (int)size) == size && wire_decrypt(w);
        if (!fine)
                tls_why(w->tls, why, sizeof(why));
        wire_hand_out(w); /* what came before it broke */
        if (!fine)
                wire_down(w, why);
        else if (BIO_ctrl_pending(w->out))
                wire_send_some(w);
}

static void wire_on_connected(uv_connect_t *connecting, int status)
{
        struct redis_wire *w = (struct redis_wire *)connecting->data;
        if (w->closed)
                return;
        if (status == 0)
                status = uv_read_start(&w->on.stream, wire_on_alloc, wire_on_read);
        if (status != 0)
                wire_down(w, uv_strerror(status));
        else if (!w->tls)
                wire_up(w);
        else {
                SSL_do_handshake(w->tls); /* its greeting; what is wrong shows in the answer */
                wire_send_some(w);
        }
}

/* ---- writing ---- */

static void wire_on_written(uv_write_t *writing, int status)
{
        struct redis_wire *w = (struct redis_wire *)writing->data;
        w->flies = false;
        buffer_reset(&w->flying);
        if (w->closed)
                return;
        if (status < 0) {
                wire_down(w, uv_strerror(status));
                return;
        }
        wire_send_some(w);
        w->listener->progress(w->arg);
}

/* Make `flying` of what is next. */
static void wire_take_plain(struct redis_wire *w)
{
        const size_t left = w->waiting.size - w->taken;
        if (w->taken == 0 && left <= SLICE) {
                const struct buffer empty = w->flying;
                w->flying = w->waiting;
                w->waiting = empty;
                return;
        }
        const size_t size = left < SLICE ? left : SLICE;
        buffer_add(&w->flying, w->waiting.data + w->taken, size);
        w->taken += size;
}

static void wire_take_encrypted(struct redis_wire *w)
{
        char *cipher = NULL;
        const size_t left = w->waiting.size - w->taken;
        if (w->up && left) {
                ERR_clear_error();
                const int count = SSL_write(w->tls, w->waiting.data + w->taken, (int)(left < SLICE ? left : SLICE));
                w->taken += count > 0 ? (size_t)count : 0;
        }
        const long size = BIO_get_mem_data(w->out, &cipher);
        if (size > 0)
                buffer_add(&w->flying, cipher, (size_t)size);
        (void)BIO_reset(w->out);
}

static void wire_send_some(struct redis_wire *w)
{
        if (w->flies || w->closed)
                return;
        if (w->tls)
                wire_take_encrypted(w);
        else if (w->up && w->waiting.size > w->taken)
                wire_take_plain(w);
        if (w->taken == w->waiting.size || w->flying.failed) {
                buffer_reset(&w->waiting);
                w->taken = 0;
        }
        const uv_buf_t piece = uv_buf_init((char *)w->flying.data, (unsigned)w->flying.size);
        if (w->flying.failed)
                wire_down(w, "memory ran out");
        else if (w->flying.size && uv_write(&w->writing, &w->on.stream, &piece, 1, wire_on_written) == 0)
                w->flies = true;
        else if (w->flying.size)
                wire_down(w, "nothing can be written to it");
}

static void wire_on_later(uv_prepare_t *later)
{
        uv_prepare_stop(later);
        wire_send_some((struct redis_wire *)later->data);
}

void redis_wire_write(struct redis_wire *w, struct bytes text)
{
        buffer_add(&w->waiting, text.data, text.size);
        if (w->waiting.failed)
                w->flying.failed = true; /* told when it would leave */
        if (w->up && !w->flies)
                uv_prepare_start(&w->later, wire_on_later);
}

size_t redis_wire_unsent(const struct redis_wire *w)
{
        return w->waiting.size - w->taken + w->flying.size;
}
