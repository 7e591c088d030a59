/* SPDX-License-Identifier: Apache-2.0 */
/* Lets a libuv loop drive a hiredis connection. Loop thread. */
#ifndef CHARD_RESULTS_REDIS_POLL_H
#define CHARD_RESULTS_REDIS_POLL_H

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <uv.h>

/* Watch the context's socket until hiredis lets it go. 0 or -errno. */
int redis_poll_attach(redisAsyncContext *context, uv_loop_t *loop);

#endif
