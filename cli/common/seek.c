/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/common/seek.h"

#include "cli/common/command.h"

enum { SEEK_EVERY_MS = 3000, SEEK_WAIT_MS = 1000 };

static void seek_try(struct seek *s, unsigned wait_ms)
{
        const struct settings *settings = s->settings;
        const struct broker_listener deaf = { 0 };
        const struct broker_config config = { .loop = s->loop,
                                              .urls = settings->broker_url,
                                              .ca_file = setting_or_null(settings->broker_ca_file),
                                              .name = s->name,
                                              .heartbeat_s = (unsigned)settings->heartbeat_s,
                                              .connect_timeout_ms = wait_ms };
        struct problem why = { 0 };
        const int code = broker_open(&s->broker, &config, &deaf, &why);
        if (code < 0)
                problem_set(&why, "broker", "out_of_memory", "out of memory");
        if (code)
                s->broker = NULL;
        s->why = why;
}

static void seek_on_time(uv_timer_t *timer)
{
        struct seek *s = (struct seek *)timer->data;
        const unsigned most = (unsigned)s->settings->connect_timeout_ms;
        seek_try(s, most < SEEK_WAIT_MS ? most : SEEK_WAIT_MS);
        if (!s->broker)
                return;
        uv_timer_stop(timer);
        s->found(s->broker, s->arg);
}

void seek_open(struct seek *s)
{
        uv_timer_init(s->loop, &s->timer);
        s->timer.data = s;
        seek_try(s, (unsigned)s->settings->connect_timeout_ms);
        if (s->broker)
                return;
        uv_timer_start(&s->timer, seek_on_time, SEEK_EVERY_MS, SEEK_EVERY_MS);
        uv_unref((uv_handle_t *)&s->timer);
}

void seek_close(struct seek *s)
{
        uv_close((uv_handle_t *)&s->timer, NULL);
        if (s->broker)
                broker_close(s->broker);
        s->broker = NULL;
}
