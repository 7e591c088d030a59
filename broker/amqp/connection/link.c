/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/amqp/connection/link.h"

#include "broker/amqp/connection/frames.h"
#include "core/clock.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int amqp_link_fail(struct amqp_link *l, const char *code, const char *format, ...)
{
        char text[256];
        if (l->why.code[0])
                return -1;
        va_list ap;
        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        problem_set(&l->why, "broker", code, "%s: %s", l->peer, text);
        return -1;
}

void amqp_link_text(char *to, size_t size, amqp_bytes_t from)
{
        const size_t count = from.len < size ? from.len : size - 1;
        for (size_t i = 0; i < count; i++) {
                const char c = ((const char *)from.bytes)[i];
                to[i] = c >= 0 && c < ' ' ? ' ' : c;
        }
        to[count] = '\0';
}

#define MOVE_FROM 131072 /* unwritten bytes move to the front of the buffer once this much before them is written */

static bool decoded_waiting(struct amqp_link *l)
{
        return amqp_frames_enqueued(l->conn) || amqp_data_in_buffer(l->conn) || (l->tls && SSL_pending(l->tls) > 0);
}

static size_t amqp_link_unwritten(const struct amqp_link *l)
{
        return l->out.size - l->written;
}

/* Until the next heartbeat must go, or the broker's silence is too long. */
static uint64_t heartbeat_due(const struct amqp_link *l, uint64_t now)
{
        const uint64_t send_at = l->sent_ms + l->heartbeat_ms / 2;
        const uint64_t silent_at = l->received_ms + 2 * l->heartbeat_ms;
        const uint64_t at = send_at < silent_at && amqp_link_unwritten(l) == 0 ? send_at : silent_at;
        return at > now ? at - now : 0;
}

static int wait_time(const struct amqp_link *l, int timeout_ms)
{
        if (l->heartbeat_ms == 0)
                return timeout_ms;
        const uint64_t due = heartbeat_due(l, clock_mono_ms()) + 1;
        return timeout_ms < 0 || (uint64_t)timeout_ms > due ? (int)due : timeout_ms;
}

void amqp_link_wait(struct amqp_link *l, int box_fd, int timeout_ms)
{
        struct pollfd fds[2] = { { .fd = l->fd, .events = POLLIN }, { .fd = box_fd, .events = POLLIN } };
        if (amqp_link_unwritten(l))
                fds[0].events |= POLLOUT;
        if (poll(fds, 2, decoded_waiting(l) ? 0 : wait_time(l, timeout_ms)) <= 0)
                return;
        if (fds[0].revents & (POLLIN | POLLERR | POLLHUP | POLLNVAL)) {
                l->readable = true;
                l->received_ms = clock_mono_ms(); /* an error or the end is found by reading it */
        }
}

int amqp_link_read(struct amqp_link *l, amqp_frame_t *frame)
{
        /* One read of the socket a wake-up: asking again until it is empty would cost two system calls. */
        if (!l->readable && !decoded_waiting(l))
                return 0;
        l->readable = false;
        const struct timeval none = { 0 };
        const int status = amqp_simple_wait_frame_noblock(l->conn, frame, &none);
        if (status == AMQP_STATUS_OK)
                return 1;
        if (status == AMQP_STATUS_TIMEOUT)
                return 0;
        if (status == AMQP_STATUS_CONNECTION_CLOSED || status == AMQP_STATUS_SOCKET_ERROR)
                return amqp_link_fail(l, "unreachable", "the connection was closed");
        return amqp_link_fail(l, "unreachable", "%s", amqp_error_string2(status));
}

void amqp_link_release(struct amqp_link *l, uint16_t channel)
{
        amqp_maybe_release_buffers_on_channel(l->conn, channel);
}

/* Returns what was written, 0 when the socket takes nothing now, or -1. */
static ssize_t write_some(struct amqp_link *l, const void *data, size_t size)
{
        if (l->tls) {
                ERR_clear_error();
                const int count = SSL_write(l->tls, data, size > INT_MAX ? INT_MAX : (int)size);
                if (count > 0)
                        return count;
                const int error = SSL_get_error(l->tls, count);
                return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
        }
        ssize_t count;
        do {
                count = send(l->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        } while (count < 0 && errno == EINTR);
        if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
                return 0;
        return count;
}

static void forget_written(struct amqp_link *l)
{
        const size_t left = amqp_link_unwritten(l);
        if (left && l->written < MOVE_FROM)
                return;
        memmove(l->out.data, l->out.data + l->written, left);
        l->out.size = left;
        l->written = 0;
}

static int write_out(struct amqp_link *l)
{
        if (l->out.failed)
                return amqp_link_fail(l, "unreachable", "out of memory");
        while (amqp_link_unwritten(l)) {
                const ssize_t count = write_some(l, l->out.data + l->written, amqp_link_unwritten(l));
                if (count < 0)
                        return amqp_link_fail(l, "unreachable", "the connection was closed");
                if (count == 0)
                        break;
                l->written += (size_t)count;
                l->sent_ms = clock_mono_ms();
        }
        if (l->written)
                forget_written(l);
        return 0;
}

int amqp_link_flush(struct amqp_link *l)
{
        if (amqp_link_unwritten(l) || l->out.failed) {
                const int result = write_out(l);
                if (result)
                        return result;
        }
        if (l->heartbeat_ms == 0)
                return 0;
        const uint64_t now = clock_mono_ms();
        if (now > l->received_ms + 2 * l->heartbeat_ms)
                return amqp_link_fail(l, "unreachable", "it has been silent for two heartbeats (%u s)",
                                      (unsigned)(2 * l->heartbeat_ms / 1000));
        if (now < l->sent_ms + l->heartbeat_ms / 2 || amqp_link_unwritten(l))
                return 0;
        frame_heartbeat(&l->out);
        return write_out(l);
}

int amqp_link_settle(struct amqp_link *l, unsigned timeout_ms)
{
        const uint64_t deadline = clock_mono_ms() + timeout_ms;
        for (;;) {
                if (write_out(l) < 0)
                        return -1;
                const uint64_t now = clock_mono_ms();
                struct pollfd socket = { .fd = l->fd, .events = POLLOUT };
                poll(&socket, 1, now < deadline ? (int)(deadline - now) : 0);
                if (amqp_link_unwritten(l) == 0 && socket.revents & POLLOUT)
                        return 0;
                if (now >= deadline)
                        return amqp_link_fail(l, "unreachable", "it reads nothing that is sent to it");
        }
}

void amqp_link_channel_closed(struct amqp_link *l, uint16_t channel, const amqp_channel_close_t *close,
                              const char *doing, struct problem *why)
{
        char text[256];
        const char *code = "channel_closed";
        switch (close->reply_code) {
        case AMQP_ACCESS_REFUSED: code = "access_refused"; break;
        case AMQP_NOT_FOUND: code = "not_found"; break;
        case AMQP_PRECONDITION_FAILED: code = "precondition_failed"; break;
        default: break;
        }
        amqp_link_text(text, sizeof(text), close->reply_text);
        problem_set(why, "broker", code, "%s: the broker said: %s", doing, text);
        frame_method(&l->out, channel, AMQP_CHANNEL_CLOSE_OK_METHOD, (struct bytes){ 0 });
}

int amqp_link_connection_closed(struct amqp_link *l, const amqp_connection_close_t *close)
{
        char text[200];
        amqp_link_text(text, sizeof(text), close->reply_text);
        frame_method(&l->out, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, (struct bytes){ 0 });
        write_out(l);
        return amqp_link_fail(l, close->reply_code == AMQP_ACCESS_REFUSED ? "access_refused" : "unreachable",
                              "the broker closed the connection: %s", text);
}

int amqp_link_result(struct amqp_link *l, uint16_t channel, const char *doing, struct problem *why)
{
        const amqp_rpc_reply_t reply = amqp_get_rpc_reply(l->conn);
        l->received_ms = l->sent_ms = clock_mono_ms();
        if (reply.reply_type == AMQP_RESPONSE_NORMAL)
                return 0;
        if (reply.reply_type != AMQP_RESPONSE_SERVER_EXCEPTION)
                return amqp_link_fail(l, "unreachable", "%s: %s", doing, amqp_error_string2(reply.library_error));
        if (reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD)
                return amqp_link_connection_closed(l, reply.reply.decoded);
        amqp_link_channel_closed(l, channel, reply.reply.decoded, doing, why);
        return amqp_link_settle(l, l->config->connect_timeout_ms) < 0 ? -1 : 1;
}

void amqp_link_drop(struct amqp_link *l)
{
        if (l->conn)
                amqp_destroy_connection(l->conn);
        l->conn = NULL;
        l->tls = NULL;
        l->fd = -1;
        l->readable = false;
        l->written = 0;
        buffer_reset(&l->out);
}

void amqp_link_close(struct amqp_link *l, unsigned timeout_ms)
{
        const struct timeval limit = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
        if (!l->conn)
                return;
        /* The answer matters: a socket closed with unread deliveries in it is reset, and acks that the broker has not read
         * yet are lost with it. */
        if (amqp_link_settle(l, timeout_ms) == 0) {
                amqp_set_rpc_timeout(l->conn, &limit);
                amqp_connection_close(l->conn, AMQP_REPLY_SUCCESS);
        }
        amqp_link_drop(l);
}
