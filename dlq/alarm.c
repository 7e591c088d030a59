/* SPDX-License-Identifier: Apache-2.0 */
/* Tells a chat room (Slack, Discord, or what takes the same form) of new groups and of growing ones. The store remembers what was told, so two
 * keepers never tell the same; all that is due at once goes into one message, and messages keep a distance. */
#include "dlq/keeper.h"

#include "core/backoff.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/json.h"
#include "core/log.h"
#include "dlq/webhook.h"

#include <errno.h>
#include <stdlib.h>

enum { GROWTH_PERCENT = 100, GROWTH_LEAST = 10, MOST_GROUPS = 20, MOST_TRIES = 6, TICK_MS = 1000 };

/* One message on its way, by the thread pool: the loop never waits for it. */
struct posting {
        uv_work_t work;
        struct alarm *alarm;
        char *url, *body;
        unsigned tries;
        struct webhook_result result;
};

struct alarm {
        struct dlq_keeper *keeper;
        uv_timer_t timer;
        struct posting *posting; /* in flight, or waiting for its next try */
        bool flying, closing, closed;
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

static void posting_free(struct posting *p)
{
        free(p->url);
        free(p->body);
        free(p);
}

static void release_memory(struct alarm *a)
{
        if (!a->closed || a->flying)
                return;
        if (a->posting)
                posting_free(a->posting);
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

static void post(uv_work_t *work)
{
        struct posting *p = (struct posting *)work->data;
        webhook_post(p->url, p->body, &p->result);
}

static void give_up(struct alarm *a)
{
        posting_free(a->posting);
        a->posting = NULL;
}

static void on_posted(uv_work_t *work, int status)
{
        enum { BASE_MS = 2000, CAP_MS = 120000 };
        struct posting *p = (struct posting *)work->data;
        struct alarm *a = p->alarm;
        const uint64_t now_ms = clock_mono_ms();
        a->flying = false;
        if (a->closing) {
                release_memory(a);
                return;
        }
        if (status == 0 && p->result.ok) {
                a->quiet_until_ms = now_ms + (uint64_t)a->keeper->config->webhook_every_s * 1000;
                give_up(a);
                return;
        }
        log_warn("dlq", "an alarm could not be delivered (try %u): %s", p->tries, p->result.why);
        a->quiet_until_ms =
                now_ms + (p->result.wait_ms ? p->result.wait_ms
                                            : BASE_MS + backoff_ms(BASE_MS, CAP_MS, p->tries, random_bits()));
        if (p->tries >= MOST_TRIES)
                give_up(a);
}

static void fly(struct alarm *a)
{
        a->posting->tries++;
        if (uv_queue_work(a->keeper->config->loop, &a->posting->work, post, on_posted) == 0)
                a->flying = true;
}

static void on_tick(uv_timer_t *timer)
{
        struct alarm *a = (struct alarm *)timer->data;
        struct store *s = a->keeper->store;
        const struct dead_alarm_query query = {
                .growth = GROWTH_PERCENT,
                .least = GROWTH_LEAST,
                .quiet_ms = (int64_t)a->keeper->config->webhook_quiet_s * 1000,
                .limit = MOST_GROUPS,
        };
        if (a->flying || clock_mono_ms() < a->quiet_until_ms)
                return;
        if (a->posting) {
                fly(a);
        } else if (s->backend->up(s)) {
                uv_timer_stop(&a->timer);
                s->backend->dead_alarms(s, &query, on_alarms, a);
        }
}

static void on_alarms(json_t *groups, const struct problem *why, void *arg)
{
        struct alarm *a = (struct alarm *)arg;
        if (!a->closing && !a->keeper->stopping)
                uv_timer_start(&a->timer, on_tick, TICK_MS, TICK_MS);
        if (why || a->closing || json_array_size(groups) == 0)
                return;
        struct posting *p = calloc(1, sizeof(*p));
        if (!p)
                return;
        p->alarm = a;
        p->work.data = p;
        p->url = strdup(a->keeper->config->webhook_url);
        p->body = webhook_body(a->keeper->config->webhook_shape, a->keeper->config->webhook_url, groups);
        a->posting = p;
        if (p->url && p->body)
                fly(a);
        else
                give_up(a);
}
