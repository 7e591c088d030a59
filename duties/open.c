/* SPDX-License-Identifier: Apache-2.0 */
#include "duties/duties.h"

#include "duties/duty.h"
#include "duties/lead.h"

#include <errno.h>
#include <stdlib.h>

extern const struct duty duty_sweep, duty_reprocess, duty_alarm, duty_outage, duty_seal, duty_maintenance,
        duty_worker_rows, duty_deliver, duty_blobs;

/* A duty is one line here. */
static const struct duty *const all_duties[] = { &duty_sweep,       &duty_reprocess, &duty_alarm,
                                                 &duty_outage,      &duty_seal,      &duty_maintenance,
                                                 &duty_worker_rows, &duty_deliver,   &duty_blobs };

enum { DUTY_COUNT = sizeof(all_duties) / sizeof(all_duties[0]), DUTY_FIRST_MS = 1000 };

struct duties {
        struct duties_config config;
        struct lead lead;
        struct duty_run runs[DUTY_COUNT];
        size_t opened; /* of them */
        size_t open;   /* runs and the lead, whose memory is still needed */
        bool stopping;
};

static void duties_begin(void *arg);
static void on_lead_back(void *arg);
static void on_duty_timer(uv_timer_t *timer);

/* ---- opening and closing ---- */

static int duty_open(struct duties *d, const struct duty *duty, struct problem *why)
{
        struct duty_run *run = &d->runs[d->opened++];
        *run = (struct duty_run){ .duty = duty, .duties = d, .config = &d->config, .holds = 1 };
        uv_timer_init(d->config.loop, &run->timer);
        run->timer.data = run;
        d->open++;
        return duty->open ? duty->open(run, why) : 0;
}

int duties_open(struct duties **out, const struct duties_config *config, struct problem *why)
{
        struct duties *d = calloc(1, sizeof(*d));
        int code = 0;
        if (!d)
                return -ENOMEM;
        d->config = *config;
        d->lead = (struct lead){ .store = config->store,
                                 .name = config->name,
                                 .lease = "duties",
                                 .area = "duties",
                                 .does = "does the duties of the fleet",
                                 .lease_ms = config->lease_ms ? config->lease_ms : DUTIES_LEASE_MS,
                                 .changed = duties_begin,
                                 .back = on_lead_back,
                                 .arg = d };
        d->open = 1;
        lead_start(&d->lead, config->loop);
        while (code == 0 && d->opened < DUTY_COUNT)
                code = duty_open(d, all_duties[d->opened], why);
        if (code) {
                duties_close(d);
                return code;
        }
        duties_begin(d); /* those that run everywhere */
        *out = d;
        return 0;
}

void duties_stop(struct duties *d)
{
        if (d->stopping)
                return;
        d->stopping = true;
        lead_stop(&d->lead);
        for (size_t i = 0; i < d->opened; i++) {
                uv_timer_stop(&d->runs[i].timer);
                if (d->runs[i].duty->stop)
                        d->runs[i].duty->stop(&d->runs[i]);
        }
}

static void on_lead_back(void *arg)
{
        struct duties *d = (struct duties *)arg;
        if (d->config.stopped)
                d->config.stopped(d->config.arg);
}

static void duties_release(struct duties *d)
{
        if (--d->open == 0)
                free(d);
}

void duty_hold(struct duty_run *run)
{
        run->holds++;
}

void duty_drop(struct duty_run *run)
{
        if (--run->holds > 0)
                return;
        if (run->duty->close)
                run->duty->close(run);
        duties_release(run->duties);
}

static void on_run_closed(uv_handle_t *timer)
{
        duty_drop((struct duty_run *)timer->data);
}

static void on_lead_closed(uv_handle_t *timer)
{
        struct lead *l = (struct lead *)timer->data;
        duties_release((struct duties *)l->arg);
}

void duties_close(struct duties *d)
{
        if (!d)
                return;
        d->stopping = true;
        lead_close(&d->lead, on_lead_closed);
        for (size_t i = 0; i < d->opened; i++)
                uv_close((uv_handle_t *)&d->runs[i].timer, on_run_closed);
}

/* ---- rounds ---- */

static uint64_t duty_period(const struct duty_run *run)
{
        return run->duty->period_ms ? run->duty->period_ms(run) : run->duty->every_ms;
}

static bool duty_is_wanted(const struct duty_run *run)
{
        return !run->duties->stopping && duty_period(run) > 0 && (run->duty->everywhere || run->duties->lead.told);
}

static void duty_timer(struct duty_run *run, uint64_t wait_ms, void (*then)(struct duty_run *run))
{
        run->then = then;
        uv_timer_start(&run->timer, on_duty_timer, wait_ms, 0);
}

/* It leads: all duties begin; or no longer: those that are not under way stop here, the others at their next step. */
static void duties_begin(void *arg)
{
        struct duties *d = (struct duties *)arg;
        for (size_t i = 0; i < d->opened; i++) {
                struct duty_run *run = &d->runs[i];
                const uint64_t period = duty_period(run);
                const bool begun = run->under_way || uv_is_active((uv_handle_t *)&run->timer);
                if (!begun && duty_is_wanted(run))
                        duty_timer(run, period < DUTY_FIRST_MS ? period : DUTY_FIRST_MS, NULL);
        }
}

static void on_duty_timer(uv_timer_t *timer)
{
        struct duty_run *run = (struct duty_run *)timer->data;
        const struct duties *d = run->duties;
        if (run->then) {
                run->then(run);
                return;
        }
        if (!duty_is_wanted(run))
                return; /* the lead begins it again */
        if (!run->duty->everywhere && !duty_leads(run)) {
                duty_timer(run, DUTY_FIRST_MS, NULL);
                return;
        }
        run->under_way = true;
        if (d->config.store->backend->up(d->config.store))
                run->duty->round(run);
        else
                duty_done(run);
}

void duty_done_for(struct duty_run *run, uint64_t wait_ms)
{
        run->under_way = false;
        uv_timer_stop(&run->timer);
        if (duty_is_wanted(run))
                duty_timer(run, wait_ms, NULL);
}

void duty_done(struct duty_run *run)
{
        duty_done_for(run, duty_period(run));
}

void duty_wait(struct duty_run *run, uint64_t wait_ms, void (*then)(struct duty_run *run))
{
        if (!run->duties->stopping)
                duty_timer(run, wait_ms, then);
}

void duty_awake(struct duty_run *run)
{
        uv_timer_stop(&run->timer);
}

bool duties_lead(const struct duties *d)
{
        return !d->stopping && lead_is_ours(&d->lead);
}

bool duty_leads(const struct duty_run *run)
{
        return duties_lead(run->duties);
}

bool duty_stopping(const struct duty_run *run)
{
        return run->duties->stopping;
}
