/* SPDX-License-Identifier: Apache-2.0 */
/* Tells a chat room (Slack, Discord, or what takes the same form) of new groups and of growing ones. The store gives what is due to one process at a time and
 * remembers what was told only after the room took it: one that dies in between has it told again. All that is due at once goes into one message, and
 * messages keep a distance. */
#include "duties/duty.h"
#include "store/dead_letter.h"

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
        struct duty_run *run;
        json_t *posting;   /* the groups of the message in flight, or NULL */
        unsigned failures; /* in a row */
        uint64_t quiet_until_ms;
};

static void on_alarms(json_t *groups, const struct problem *why, void *arg);

static int alarm_open(struct duty_run *run, struct problem *why)
{
        const char *url = run->config->webhook_url;
        if (url && *url && !webhook_is_url(url))
                return problem_set(
                        why, "settings", "bad_setting",
                        "CHARD_DLQ_WEBHOOK_URL is nothing that could be posted to: it must begin with http:// or "
                        "https:// and name a host (it is not shown here, because it is a secret)");
        struct alarm *a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        a->run = run;
        run->state = a;
        if (url && *url)
                webhook_setup();
        return 0;
}

static void alarm_close(struct duty_run *run)
{
        free(run->state);
}

static uint64_t alarm_period(const struct duty_run *run)
{
        return run->config->webhook_url && *run->config->webhook_url ? TICK_MS : 0;
}

/* ---- posting ---- */

static void on_said(json_t *value, const struct problem *why, void *arg)
{
        (void)value, (void)arg;
        if (why)
                log_warn("duties", "what became of an alarm could not be stored, so it may be told again: %s",
                         why->text);
}

/* What could not be told is due again at once, and asked for after a pause that grows. */
static void alarm_judge(struct alarm *a, const struct webhook_result *result)
{
        enum { BASE_MS = 2000, CAP_MS = 240000 };
        struct store *s = a->run->config->store;
        const bool told = result->ok;
        uint64_t wait_ms = (uint64_t)a->run->config->webhook_every_s * 1000;
        s->dead->alarms_told(s, a->posting, told, on_said, NULL);
        if (!told) {
                a->failures++;
                log_warn("duties", "an alarm could not be delivered (try %u), and is tried again: %s", a->failures,
                         result->why);
                wait_ms = result->wait_ms ? result->wait_ms
                                          : BASE_MS + backoff_ms(BASE_MS, CAP_MS, a->failures, random_bits());
        } else {
                a->failures = 0;
        }
        a->quiet_until_ms = clock_mono_ms() + wait_ms;
}

static void alarm_on_posted(const struct webhook_result *result, void *arg)
{
        struct alarm *a = (struct alarm *)arg;
        if (!duty_stopping(a->run))
                alarm_judge(a, result);
        json_decref(a->posting);
        a->posting = NULL;
        duty_done(a->run);
        duty_drop(a->run);
}

static void alarm_round(struct duty_run *run)
{
        struct alarm *a = (struct alarm *)run->state;
        struct store *s = run->config->store;
        const struct dead_alarm_query query = {
                .growth = GROWTH_PERCENT,
                .least = GROWTH_LEAST,
                .quiet_ms = (int64_t)run->config->webhook_quiet_s * 1000,
                .factor = GROWTH_FACTOR,
                .lease_ms = LEASE_MS,
                .limit = MOST_GROUPS,
        };
        if (clock_mono_ms() < a->quiet_until_ms)
                duty_done(run);
        else
                s->dead->alarms(s, &query, on_alarms, a);
}

static void on_alarms(json_t *groups, const struct problem *why, void *arg)
{
        struct alarm *a = (struct alarm *)arg;
        const struct duties_config *c = a->run->config;
        char *body = why || !duty_leads(a->run) || json_array_size(groups) == 0
                             ? NULL
                             : webhook_body(c->webhook_shape, c->webhook_url, groups);
        if (!body || webhook_send(c->loop, c->webhook_url, body, alarm_on_posted, a) != 0) {
                duty_done(a->run); /* what the store gave is anybody's again when its lease ends */
                return;
        }
        a->posting = json_incref(groups);
        duty_hold(a->run);
}

const struct duty duty_alarm = {
        .name = "alarm",
        .period_ms = alarm_period,
        .round = alarm_round,
        .open = alarm_open,
        .close = alarm_close,
};
