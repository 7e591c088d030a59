/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/common/wait.h"

static void wait_on_time_up(uv_timer_t *timer)
{
        struct wait *w = (struct wait *)timer->data;
        w->timed_out = true;
        uv_stop(&w->loop);
}

void wait_open(struct wait *w)
{
        *w = (struct wait){ 0 };
        uv_loop_init(&w->loop);
        uv_timer_init(&w->loop, &w->timer);
        w->timer.data = w;
}

bool wait_for(struct wait *w, uint64_t ms)
{
        w->timed_out = false;
        uv_timer_start(&w->timer, wait_on_time_up, ms, 0);
        while (!w->done && !w->timed_out)
                uv_run(&w->loop, UV_RUN_ONCE);
        uv_timer_stop(&w->timer);
        const bool done = w->done;
        w->done = false;
        return done;
}

void wait_done(struct wait *w)
{
        w->done = true;
        uv_stop(&w->loop);
}

void wait_close(struct wait *w)
{
        uv_close((uv_handle_t *)&w->timer, NULL);
        while (uv_run(&w->loop, UV_RUN_ONCE) != 0)
                ;
        uv_loop_close(&w->loop);
}
