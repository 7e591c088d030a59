/* SPDX-License-Identifier: Apache-2.0 */
#include "core/thread/work.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct work {
        uv_async_t async;
        uv_timer_t grace;
        struct work_calls calls;
        void *arg;
        pthread_mutex_t lock;
        unsigned users; /* the thread, and the handles */
        bool abandoned; /* `done` is not called … */
        bool closing;   /* … and nobody is woken any more */
};

int thread_start(pthread_t *out, void *(*main)(void *), void *arg)
{
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        const int result = pthread_create(out, NULL, main, arg);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return -result;
}

/* Unlocks. The last user frees. */
static void work_leave(struct work *w)
{
        const bool last = --w->users == 0;
        pthread_mutex_unlock(&w->lock);
        if (!last)
                return;
        if (w->abandoned)
                w->calls.forget(w->arg);
        pthread_mutex_destroy(&w->lock);
        free(w);
}

static void *work_main(void *arg)
{
        struct work *w = arg;
        w->calls.run(w->arg);
        pthread_mutex_lock(&w->lock);
        if (!w->closing)
                uv_async_send(&w->async);
        work_leave(w);
        return NULL;
}

static void on_work_closed(uv_handle_t *handle)
{
        struct work *w = handle->data;
        pthread_mutex_lock(&w->lock);
        work_leave(w);
}

static void work_close(struct work *w)
{
        pthread_mutex_lock(&w->lock);
        const bool first = !w->closing, timed = w->grace.data;
        w->closing = true;
        pthread_mutex_unlock(&w->lock);
        if (!first)
                return;
        uv_close((uv_handle_t *)&w->async, on_work_closed);
        if (timed)
                uv_close((uv_handle_t *)&w->grace, on_work_closed);
}

static void on_work_ran(uv_async_t *async)
{
        struct work *w = async->data;
        if (w->closing)
                return;
        work_close(w);
        if (!w->abandoned)
                w->calls.done(w->arg);
}

static void on_work_late(uv_timer_t *timer)
{
        work_close(timer->data);
}

/* No thread came to be. */
static void on_work_failed(uv_handle_t *handle)
{
        free(handle->data);
}

int work_start(struct work **out, uv_loop_t *loop, const struct work_calls *calls, void *arg)
{
        pthread_t thread;
        struct work *w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        int rc = uv_async_init(loop, &w->async, on_work_ran);
        if (rc) {
                free(w);
                return rc;
        }
        w->async.data = w;
        w->calls = *calls;
        w->arg = arg;
        w->users = 2;
        pthread_mutex_init(&w->lock, NULL);
        rc = thread_start(&thread, work_main, w);
        if (rc) {
                pthread_mutex_destroy(&w->lock);
                uv_close((uv_handle_t *)&w->async, on_work_failed);
                return rc;
        }
        pthread_detach(thread);
        if (out)
                *out = w;
        return 0;
}

void work_abandon(struct work *w, unsigned grace_ms)
{
        pthread_mutex_lock(&w->lock);
        w->abandoned = true;
        w->users += grace_ms > 0;
        pthread_mutex_unlock(&w->lock);
        if (grace_ms == 0) {
                work_close(w);
                return;
        }
        uv_timer_init(w->async.loop, &w->grace);
        w->grace.data = w;
        uv_timer_start(&w->grace, on_work_late, grace_ms, 0);
}
