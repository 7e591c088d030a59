/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/health/pulse.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        LOOK_MS = 500,
        BEAT_EVERY = PULSE_BEAT_MS / LOOK_MS,
        START_LOOKS = 10,
        LOOP_LATE_MS = 5000,
};

struct pulse {
        struct pulse_config config;
        uv_timer_t timer;
        uint64_t last_look_ms;
        unsigned looks;
        bool consuming, said, stopping;
        bool told, begun;    /* what was told last is that it does not consume; it was told once that it does */
        bool beating, again; /* a beat is under way; what it said is out of date */
        uint64_t asked_ms;   /* when the beat under way was sent */
        char why[256];
};

static void on_look(uv_timer_t *timer)
{
        pulse_look((struct pulse *)timer->data);
}

int pulse_open(struct pulse **out, const struct pulse_config *config)
{
        struct pulse *p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->config = *config;
        p->last_look_ms = clock_mono_ms();
        uv_timer_init(config->loop, &p->timer);
        p->timer.data = p;
        uv_timer_start(&p->timer, on_look, 0, LOOK_MS);
        *out = p;
        return 0;
}

bool pulse_ready(const struct pulse *p, const char **why)
{
        *why = p->why;
        return p->consuming;
}

void pulse_stop(struct pulse *p)
{
        p->stopping = true;
        pulse_look(p);
}

bool pulse_busy(const struct pulse *p)
{
        return p->beating && p->config.store->backend->up(p->config.store);
}

static void pulse_release_memory(uv_handle_t *timer)
{
        free(timer->data);
}

void pulse_close(struct pulse *p)
{
        if (p)
                uv_close((uv_handle_t *)&p->timer, pulse_release_memory);
}

/* ---- judging ---- */

/* What keeps it from consuming, the first thing found; empty = nothing. */
static void pulse_find_fault(const struct pulse *p, uint64_t now_ms, char *why, size_t size)
{
        const struct pulse_config *c = &p->config;
        struct broker_health b;
        broker_health(c->broker, &b);
        why[0] = '\0';
        if (p->stopping)
                snprintf(why, size, "stopping");
        else if (now_ms - p->last_look_ms > LOOP_LATE_MS)
                snprintf(why, size, "loop: stood still for %llu ms", (unsigned long long)(now_ms - p->last_look_ms));
        else if (!c->store->backend->up(c->store))
                snprintf(why, size, "store: not answering, %s", c->without_the_store);
        else if (p->beating && now_ms - p->asked_ms > LOOP_LATE_MS)
                snprintf(why, size, "store: no answer for %llu ms", (unsigned long long)(now_ms - p->asked_ms));
        else if (!b.connected)
                snprintf(why, size, "broker: not connected: %s", b.why);
        else if (!c->complete(&b, c->arg))
                snprintf(why, size, "broker: %u of %zu consumers registered%s%s", b.consumers_registered,
                         c->queue_count, *b.why ? ": " : "", b.why);
        else if (b.last_frame_ms > 2000ULL * c->heartbeat_s)
                snprintf(why, size, "broker: silent for %llu ms", (unsigned long long)b.last_frame_ms);
        else if (c->publishes && !broker_health_takes(&b))
                snprintf(why, size, "broker: takes no publishes: %s", b.why);
}

/* ---- telling ---- */

/* Written beside and renamed, so that a probe never reads half a line. */
static void write_file(const struct pulse *p)
{
        const char *path = p->config.health_file;
        char beside[4096];
        if (!path || !*path || snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
                return;
        FILE *file = fopen(beside, "we");
        bool ok = file && fprintf(file, "%s%s%s\n", p->consuming ? "consuming" : "not consuming", *p->why ? ": " : "",
                                  p->why) > 0;
        if (file)
                ok = fclose(file) == 0 && ok;
        if (!ok || rename(beside, path) != 0)
                log_warn(p->config.area, "health file %s can't be written: %s", path, strerror(errno));
}

static void pulse_beat(struct pulse *p);

static void on_beaten(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct pulse *p = (struct pulse *)arg;
        (void)stored, (void)why;
        p->beating = false;
        if (p->again && result != STORE_CLOSED)
                pulse_beat(p);
        else if (p->stopping && p->config.stopped)
                p->config.stopped(p->config.arg);
}

static void pulse_beat(struct pulse *p)
{
        const struct pulse_config *c = &p->config;
        p->again = p->beating;
        JSON_OWNED json_t *more = p->beating ? NULL : c->state(c->arg);
        JSON_OWNED json_t *state = more ? json_pack("{s:b, s:s}", "consuming", p->consuming, "why", p->why) : NULL;
        if (!state || json_object_update(state, more) < 0)
                return;
        p->beating = true;
        p->asked_ms = clock_mono_ms();
        c->store->run->beat(c->store, state, on_beaten, p);
}

/* The broker and the store are told of where they are noticed; silence of the one, and this process's own standing still, only here. */
static bool pulse_follows(const char *why)
{
        return strncmp(why, "store:", 6) == 0 ||
               (strncmp(why, "broker:", 7) == 0 && strncmp(why, "broker: silent", 14) != 0);
}

static void pulse_tell(struct pulse *p, const char *why, bool first)
{
        const bool consumes = *why == '\0', begins = consumes && !p->begun;
        if (consumes ? !p->told && p->begun : pulse_follows(why))
                return;
        p->told = !consumes;
        p->begun = p->begun || consumes;
        p->config.changed(why, first || begins, p->config.arg);
}

void pulse_look(struct pulse *p)
{
        char why[sizeof(p->why)];
        const uint64_t now_ms = clock_mono_ms();
        pulse_find_fault(p, now_ms, why, sizeof(why));
        p->last_look_ms = now_ms;

        /* While it starts, what is not there yet is no news. */
        const bool consuming = !*why, starting = !p->said && !consuming && p->looks < START_LOOKS;
        const bool changed = !starting && (!p->said || consuming != p->consuming), first = !p->said;
        memcpy(p->why, why, sizeof(why));
        p->consuming = consuming;
        p->said = p->said || changed;
        if (changed)
                pulse_tell(p, why, first);
        if (p->config.store_absence)
                absence_look(p->config.store_absence, now_ms);
        write_file(p);
        if (changed || p->looks % BEAT_EVERY == 0)
                pulse_beat(p);
        p->looks++;
}
