/* SPDX-License-Identifier: Apache-2.0 */
/* Tells a chat room (Slack, Discord, or what takes the same form) of new groups and of growing ones. The store gives what is due to one keeper at a time and
 * remembers what was told only after the room took it: a keeper that dies in between has it told again. All that is due at once goes into one message, and
 * messages keep a distance. */
#include "duties/keeper.h"

#include "core/backoff.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/json.h"
#include "core/log.h"
#include "duties/webhook.h"

#include <errno.h>
#include <stdlib.h>

enum {
        GROWTH_PERCENT = 100,
        GROWTH_LEAST = 10,
        GROWTH_FACTOR = 10,
        MOST_GROUPS = 20,
        TICK_MS = 1000,
        LEASE_MS = 12000
};

struct alarm {
        struct dlq_keeper *keeper;
        uv_timer_t timer;
        json_t *posting;   /* the groups of the message in flight, or NULL */
        unsigned failures; /* in a row */
        bool closing, closed;
        uint64_t quiet_until_ms;
};

static void on_tick(uv_timer_t *timer);
static void on_alarms(json_t *groups, const struct problem *why, void *arg);

int alarm_open(struct alarm **out, struct dlq_keeper *k, struct problem *why)
{
        const char *url = k->config->webhook_url;
        if (url && *url && !webhook_is_url(url))
                return problem_set(
                        why, "settings", "bad_setting",
                        "CHARD_DLQ_WEBHOOK_URL is nothing that could be posted to: it must begin with http:// or "
                        "https:// and name a host (it is not shown here, because it is a secret)");
        struct alarm *a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        a->keeper = k;
        uv_timer_init(k->config->loop, &a->timer);
        a->timer.data = a;
        if (url && *url) {
                webhook_setup();
                uv_timer_start(&a->timer, on_tick, TICK_MS, TICK_MS);
        }
        *out = a;
        return 0;
}

void alarm_stop(struct alarm *a)
{
        uv_timer_stop(&a->timer);
}

static void release_memory(struct alarm *a)
{
        if (a->closed && !a->posting)
                free(a);
}

static void on_closed(uv_handle_t *timer)
{
        struct alarm *a = (struct alarm *)timer->data;
        a->closed = true;
        release_memory(a);
}

void alarm_close(struct alarm *a)
{
        if (!a)
                return;
        a->closing = true;
        uv_close((uv_handle_t *)&a->timer, on_closed);
}

/* ---- posting ---- */

static void on_said(json_t *value, const struct problem *why, void *arg)
{
        (void)value, (void)arg;
        if (why)
                log_warn("dlq", "what became of an alarm could not be stored, so it may be told again: %s", why->text);
}

/* What could not be told is due again at once, and asked for after a pause that grows. */
static void judge(struct alarm *a, const struct webhook_result *result)
{
        enum { BASE_MS = 2000, CAP_MS = 240000 };
        struct store *s = a->keeper->store;
        const bool told = result->ok;
        uint64_t wait_ms = (uint64_t)a->keeper->config->webhook_every_s * 1000;
        s->dead->alarms_told(s, a->posting, told, on_said, NULL);
        if (!told) {
                a->failures++;
                log_warn("dlq", "an alarm could not be delivered (try %u), and is tried again: %s", a->failures,
                         result->why);
                wait_ms = result->wait_ms ? result->wait_ms
                                          : BASE_MS + backoff_ms(BASE_MS, CAP_MS, a->failures, random_bits());
        } else {
                a->failures = 0;
        }
        a->quiet_until_ms = clock_mono_ms() + wait_ms;
}

static void on_posted(const struct webhook_result *result, void *arg)
{
        struct alarm *a = (struct alarm *)arg;
        if (!a->closing)
                judge(a, result);
        json_decref(a->posting);
        a->posting = NULL;
        if (a->closing)
                release_memory(a);
}

static void on_tick(uv_timer_t *timer)
{
        struct alarm *a = (struct alarm *)timer->data;
        struct store *s = a->keeper->store;
        const struct dead_alarm_query query = {
                .growth = GROWTH_PERCENT,
                .least = GROWTH_LEAST,
                .quiet_ms = (int64_t)a->keeper->config->webhook_quiet_s * 1000,
                .factor = GROWTH_FACTOR,
                .lease_ms = LEASE_MS,
                .limit = MOST_GROUPS,
        };
        if (a->posting || clock_mono_ms() < a->quiet_until_ms || !s->backend->up(s))
                return;
        uv_timer_stop(&a->timer);
        s->dead->alarms(s, &query, on_alarms, a);
}

static void on_alarms(json_t *groups, const struct problem *why, void *arg)
{
        struct alarm *a = (struct alarm *)arg;
        const struct dlq_config *c = a->keeper->config;
        if (!a->closing && !a->keeper->stopping)
                uv_timer_start(&a->timer, on_tick, TICK_MS, TICK_MS);
        if (why || a->closing || a->keeper->stopping || json_array_size(groups) == 0)
                return;
        char *body = webhook_body(c->webhook_shape, c->webhook_url, groups);
        if (webhook_send(c->loop, c->webhook_url, body, on_posted, a) == 0)
                a->posting = json_incref(groups); /* else its lease ends */
}
