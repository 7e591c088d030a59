/* SPDX-License-Identifier: Apache-2.0 */
#include "results/redis/poll.h"

#include <errno.h>
#include <stdlib.h>

struct redis_poll {
        uv_poll_t handle;
        redisAsyncContext *context; /* NULL once hiredis has let go */
        int events;
};

static void on_ready(uv_poll_t *handle, int status, int events)
{
        struct redis_poll *p = (struct redis_poll *)handle->data;
        if (status < 0)
                events = UV_READABLE; /* hiredis finds out by itself what is wrong */
        if (p->context && (events & UV_READABLE))
                redisAsyncHandleRead(p->context);
        if (p->context && (events & UV_WRITABLE))
                redisAsyncHandleWrite(p->context);
}

static void watch(struct redis_poll *p, int events)
{
        p->events = events;
        if (events)
                uv_poll_start(&p->handle, events, on_ready);
        else
                uv_poll_stop(&p->handle);
}

static void add_read(void *arg)
{
        struct redis_poll *p = (struct redis_poll *)arg;
        watch(p, p->events | UV_READABLE);
}

static void del_read(void *arg)
{
        struct redis_poll *p = (struct redis_poll *)arg;
        watch(p, p->events & ~UV_READABLE);
}

static void add_write(void *arg)
{
        struct redis_poll *p = (struct redis_poll *)arg;
        watch(p, p->events | UV_WRITABLE);
}

static void del_write(void *arg)
{
        struct redis_poll *p = (struct redis_poll *)arg;
        watch(p, p->events & ~UV_WRITABLE);
}

static void on_closed(uv_handle_t *handle)
{
        free(handle->data);
}

static void cleanup(void *arg)
{
        struct redis_poll *p = (struct redis_poll *)arg;
        p->context = NULL;
        uv_close((uv_handle_t *)&p->handle, on_closed);
}

int redis_poll_attach(redisAsyncContext *context, uv_loop_t *loop)
{
        struct redis_poll *p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        const int rc = uv_poll_init(loop, &p->handle, context->c.fd);
        if (rc) {
                free(p);
                return rc;
        }
        p->handle.data = p;
        p->context = context;
        context->ev.data = p;
        context->ev.addRead = add_read;
        context->ev.delRead = del_read;
        context->ev.addWrite = add_write;
        context->ev.delWrite = del_write;
        context->ev.cleanup = cleanup;
        return 0;
}
