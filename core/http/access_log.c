/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http/access_log.h"

#include "core/bytes.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/text/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ACCESS_LOG_MS = 200, ACCESS_LOG_FULL = 65536, ACCESS_LOG_TARGET = 2048 };

struct access_log {
        uv_timer_t timer;
        int fd;
        struct buffer lines;
};

static void access_log_flush(struct access_log *log)
{
        size_t at = 0;
        while (at < log->lines.size) {
                const ssize_t wrote = write(log->fd, log->lines.data + at, log->lines.size - at);
                if (wrote < 0 && errno != EINTR)
                        break; /* a log that can't be written must not stop the requests */
                at += wrote > 0 ? (size_t)wrote : 0;
        }
        buffer_reset(&log->lines);
}

static void on_access_log_timer(uv_timer_t *timer)
{
        access_log_flush((struct access_log *)timer->data);
}

int access_log_open(struct access_log **out, uv_loop_t *loop, const char *path, struct problem *why)
{
        const int fd = strcmp(path, "-") == 0 ? dup(STDOUT_FILENO)
                                              : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (fd < 0)
                return problem_set(why, "http", "bad_log", "the access log %.200s can't be opened: %s", path,
                                   strerror(errno));
        struct access_log *log = calloc(1, sizeof(*log));
        if (!log) {
                close(fd);
                return -ENOMEM;
        }
        log->fd = fd;
        uv_timer_init(loop, &log->timer);
        uv_unref((uv_handle_t *)&log->timer);
        log->timer.data = log;
        *out = log;
        return 0;
}

/* A text that may hold anything: at most so much of it, what is no UTF-8 as '?'. */
static void access_log_text(struct buffer *b, const char *name, const char *text)
{
        char copy[ACCESS_LOG_TARGET];
        if (!text)
                return;
        snprintf(copy, sizeof(copy), "%s", text);
        utf8_repair(copy, strlen(text) >= sizeof(copy));
        buffer_addf(b, ",\"%s\":", name);
        json_write_text(bytes_of_string(copy), b);
}

void access_log_write(struct access_log *log, const struct access_line *line)
{
        struct buffer *b = &log->lines;
        char time[CLOCK_TEXT_SIZE];
        clock_format(clock_wall_ms(), time);
        buffer_addf(b, "{\"time\":\"%s\"", time);
        access_log_text(b, "peer", line->peer);
        access_log_text(b, "method", line->method);
        access_log_text(b, "target", line->target);
        buffer_addf(b, ",\"status\":%u,\"bytes\":%llu,\"ms\":%.3f", line->status, (unsigned long long)line->bytes,
                    (double)line->took_us / 1000);
        access_log_text(b, "key", line->who);
        access_log_text(b, "code", line->code);
        buffer_add_string(b, "}\n");
        if (b->failed || b->size > ACCESS_LOG_FULL)
                access_log_flush(log);
        else if (!uv_is_active((uv_handle_t *)&log->timer))
                uv_timer_start(&log->timer, on_access_log_timer, ACCESS_LOG_MS, 0);
}

static void on_access_log_closed(uv_handle_t *handle)
{
        struct access_log *log = (struct access_log *)handle->data;
        buffer_free(&log->lines);
        free(log);
}

void access_log_close(struct access_log *log)
{
        if (!log)
                return;
        access_log_flush(log);
        close(log->fd);
        uv_close((uv_handle_t *)&log->timer, on_access_log_closed);
}
