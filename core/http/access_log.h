/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON line for each request, to a file or standard output. Lines are written together, at the latest a fifth of a second later. Loop thread. */
#ifndef CHARD_CORE_HTTP_ACCESS_LOG_H
#define CHARD_CORE_HTTP_ACCESS_LOG_H

#include "core/problem.h"

#include <stdint.h>
#include <uv.h>

struct access_log;

/* All borrowed for the length of the call; target as it came: it may hold anything. */
struct access_line {
        const char *peer, *method, *target;
        const char *who;  /* id of the key that it came with, or NULL */
        const char *code; /* of the problem that was answered, or NULL */
        unsigned status;  /* 0: none was sent */
        uint64_t bytes, took_us;
};

/* `path` is appended to; "-" is standard output. Returns 0; 1 with `why` (source "http", code "bad_log"); or -ENOMEM. */
int access_log_open(struct access_log **out, uv_loop_t *loop, const char *path, struct problem *why);
void access_log_write(struct access_log *log, const struct access_line *line);

/* What waits is written. NULL: nothing. The loop must turn until it is idle. */
void access_log_close(struct access_log *log);

#endif
