/* SPDX-License-Identifier: Apache-2.0 */
/* Says whether dead letters are being kept, from the keeping itself: consumers registered, frames coming, loop turning, store
 * answering. Into the store's worker row (chard ping NAME) and a health file (chard ping --file), as a worker does; a change is logged. */
#include "dlq/keeper.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 500, BEAT_EVERY = 4, START_LOOKS = 10, LOOP_LATE_MS = 5000 };

struct pulse {
        struct dlq_keeper *keeper;
        uv_timer_t timer;
        uint64_t last_look_ms, asked_ms;
        unsigned looks;
        bool keeping, said, stopping, beating;
        char why[256];
};

static void look(struct pulse *p);

static void on_look(uv_timer_t *timer)
{
        look((struct pulse *)timer->data);
}

int pulse_open(struct pulse **out, struct dlq_keeper *k)
{
        struct pulse *p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->keeper = k;
        p->last_look_ms = clock_mono_ms();
        uv_timer_init(k->config->loop, &p->timer);
        p->timer.data = p;
        uv_timer_start(&p->timer, on_look, 0, LOOK_MS);
        *out = p;
        return 0;
}

void pulse_stop(struct pulse *p)
{
        p->stopping = true;
        look(p);
        uv_timer_stop(&p->timer);
}

static void release_memory(uv_handle_t *timer)
{
        free(timer->data);
}

void pulse_close(struct pulse *p)
{
        if (p)
                uv_close((uv_handle_t *)&p->timer, release_memory);
}

/* ---- judging ---- */

/* What keeps it from keeping, the first thing found; empty = nothing. While it has all that it may hold in hand it takes no more: that is
 * keeping, too. */
static void find_fault(const struct pulse *p, uint64_t now_ms, char *why, size_t size)
{
        const struct dlq_keeper *k = p->keeper;
        struct broker_health b;
        broker_health(k->broker, &b);
        why[0] = '\0';
        if (p->stopping)
                snprintf(why, size, "stopping");
        else if (now_ms - p->last_look_ms > LOOP_LATE_MS)
                snprintf(why, size, "loop: stood still for %llu ms", (unsigned long long)(now_ms - p->last_look_ms));
        else if (!k->store->backend->up(k->store))
                snprintf(why, size, "store: not answering, so dead letters stay in their queues");
        else if (p->beating && now_ms - p->asked_ms > LOOP_LATE_MS)
                snprintf(why, size, "store: no answer for %llu ms", (unsigned long long)(now_ms - p->asked_ms));
        else if (b.state == BROKER_DOWN)
                snprintf(why, size, "broker: not connected: %s", b.why);
        else if (!k->full && b.consumers_registered < k->queue_count)
                snprintf(why, size, "broker: %u of %zu consumers registered%s%s", b.consumers_registered,
                         k->queue_count, *b.why ? ": " : "", b.why);
        else if (b.last_frame_ms > 2000ULL * k->config->heartbeat_s)
                snprintf(why, size, "broker: silent for %llu ms", (unsigned long long)b.last_frame_ms);
}

/* ---- telling ---- */

/* Written beside and renamed, so that a probe never reads half a line. */
static void write_file(const struct pulse *p)
{
        const char *path = p->keeper->config->health_file;
        char beside[4096];
        if (!path || snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
                return;
        FILE *file = fopen(beside, "we");
        bool ok = file && fprintf(file, "%s%s%s\n", p->keeping ? "consuming" : "not consuming", *p->why ? ": " : "",
                                  p->why) > 0;
        if (file)
                ok = fclose(file) == 0 && ok;
        if (!ok || rename(beside, path) != 0)
                log_warn("dlq", "health file %s can't be written: %s", path, strerror(errno));
}

static void on_beaten(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        (void)result, (void)stored, (void)why;
        ((struct pulse *)arg)->beating = false;
}

static void beat(struct pulse *p, uint64_t now_ms)
{
        struct dlq_keeper *k = p->keeper;
        JSON_OWNED json_t *state = json_pack("{s:b, s:s, s:s, s:I, s:I, s:I}", "consuming", p->keeping, "why", p->why,
                                             "role", "keeper", "in_hand", (json_int_t)k->filing, "filed",
                                             (json_int_t)k->filed, "refused", (json_int_t)k->refused);
        if (p->beating || !state || k->ended)
                return;
        p->beating = true;
        p->asked_ms = now_ms;
        k->store->backend->beat(k->store, state, on_beaten, p);
}

static void look(struct pulse *p)
{
        char why[sizeof(p->why)];
        const uint64_t now_ms = clock_mono_ms();
        find_fault(p, now_ms, why, sizeof(why));
        p->last_look_ms = now_ms;

        /* While it starts, what is not there yet is no news. */
        const bool keeping = !*why, starting = !p->said && !keeping && p->looks < START_LOOKS;
        const bool changed = !starting && (!p->said || keeping != p->keeping);
        memcpy(p->why, why, sizeof(why));
        p->keeping = keeping;
        if (changed && !keeping && !p->stopping)
                log_warn("dlq", "not keeping: %s", why);
        else if (changed && keeping && p->said)
                log_info("dlq", "keeping again");
        p->said = p->said || changed;
        write_file(p);
        if (changed || p->looks % BEAT_EVERY == 0)
                beat(p, now_ms);
        p->looks++;
}
