/* SPDX-License-Identifier: Apache-2.0 */
/* Says whether this worker is consuming, from consuming itself: consumers registered, frames coming, loop turning, store answering.
 * Written into the store's worker row (chard ping) and a health file (probes); a change is logged. */
#include "worker/run.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "worker/rates.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        LOOK_MS = 500,
        BEAT_EVERY = 4, /* looks between two beats */
        START_LOOKS = 10,
        LOOP_LATE_MS = 5000,
        FRESH_MS = BEAT_EVERY * LOOK_MS + 1000,
};

struct health {
        struct worker *worker;
        uv_timer_t timer;
        uint64_t last_look_ms;
        unsigned looks;
        bool consuming, said, stopping;
        bool beating, again; /* a beat is under way; what it said is out of date */
        uint64_t asked_ms;   /* when the beat under way was sent */
        char why[256];
        struct rates_row *rates; /* one a task of the registry */
};

static void on_look(uv_timer_t *timer);

/* Leases are held by name: two live workers of one name would take over each other's tasks. */
static void on_namesake(json_t *row, const struct problem *why, void *arg)
{
        const struct worker *w = (const struct worker *)arg;
        const json_t *state = json_object_get(row, "state");
        const bool stopped = strcmp(json_text(state, "why", ""), "stopping") == 0;
        const bool beaten = json_object_size(state) > 0; /* else it is the row that opening the store has just made */
        if (row && !why && beaten && !stopped && json_number(row, "age_ms", FRESH_MS) < FRESH_MS)
                log_warn("worker",
                         "a worker named %s gave a sign of life just now: if it still runs, give each its own --name",
                         w->config->name);
}

static size_t registry_size(void)
{
        size_t size = 0;
        while (task_registry[size])
                size++;
        return size;
}

int health_open(struct health **out, struct worker *w)
{
        struct health *h = calloc(1, sizeof(*h));
        if (!h)
                return -ENOMEM;
        h->rates = calloc(registry_size() + 1, sizeof(*h->rates));
        if (!h->rates) {
                free(h);
                return -ENOMEM;
        }
        h->worker = w;
        uv_timer_init(w->loop, &h->timer);
        h->timer.data = h;
        h->last_look_ms = clock_mono_ms();
        w->store->backend->worker(w->store, w->config->name, on_namesake, w);
        uv_timer_start(&h->timer, on_look, 0, LOOK_MS);
        *out = h;
        return 0;
}

/* ---- judging ---- */

/* What keeps it from consuming, the first thing found; empty = nothing. */
static void find_fault(struct health *h, uint64_t now_ms, char *why, size_t size)
{
        const struct worker *w = h->worker;
        struct broker_health b;
        broker_health(w->broker, &b);
        why[0] = '\0';
        if (h->stopping)
                snprintf(why, size, "stopping");
        else if (now_ms - h->last_look_ms > LOOP_LATE_MS)
                snprintf(why, size, "loop: stood still for %llu ms", (unsigned long long)(now_ms - h->last_look_ms));
        else if (!w->store->backend->up(w->store))
                snprintf(why, size, "store: not answering, so no work is taken");
        else if (h->beating && now_ms - h->asked_ms > LOOP_LATE_MS)
                snprintf(why, size, "store: no answer for %llu ms", (unsigned long long)(now_ms - h->asked_ms));
        else if (b.state == BROKER_DOWN)
                snprintf(why, size, "broker: not connected: %s", b.why);
        else if (b.consumers_registered < b.consumers_wanted || b.consumers_wanted < w->config->queue_count)
                snprintf(why, size, "broker: %u of %zu consumers registered%s%s", b.consumers_registered,
                         w->config->queue_count, *b.why ? ": " : "", b.why);
        else if (b.last_frame_ms > 2000ULL * w->config->heartbeat_s)
                snprintf(why, size, "broker: silent for %llu ms", (unsigned long long)b.last_frame_ms);
        else if (b.state == BROKER_BLOCKED || !b.publisher_up)
                snprintf(why, size, "broker: takes no publishes: %s", b.why);
}

static bool consumes(const struct worker *w, const char *queue)
{
        for (size_t i = 0; i < w->config->queue_count; i++)
                if (strcmp(w->config->queues[i], queue) == 0)
                        return true;
        return false;
}

/* Of each task that is consumed here: its attempts of the last five minutes, and how long its model is paused. */
static json_t *tasks_json(const struct health *h)
{
        const uint64_t now_ms = clock_mono_ms();
        json_t *tasks = json_object();
        for (size_t i = 0; task_registry[i]; i++) {
                const struct task_def *def = task_registry[i];
                unsigned ok, failed;
                if (!consumes(h->worker, def->queue))
                        continue;
                rates_sum(&h->rates[i], now_ms, &ok, &failed);
                const uint64_t paused_ms = def->model ? ai_paused_ms(h->worker->ai, def->model, now_ms) : 0;
                json_object_set_new(tasks, def->name,
                                    json_pack("{s:i, s:i, s:I}", "ok", (int)ok, "failed", (int)failed, "paused_ms",
                                              (json_int_t)paused_ms));
        }
        return tasks;
}

void health_count(struct health *h, const struct run *run)
{
        const bool failed = run->failure.id != NULL, ok = !failed && run->commit.id;
        for (size_t i = 0; h && (ok || failed) && task_registry[i]; i++)
                if (task_registry[i] == run->def)
                        rates_count(&h->rates[i], ok, clock_mono_ms());
}

static json_t *as_json(const struct health *h)
{
        const struct worker *w = h->worker;
        struct broker_health b;
        broker_health(w->broker, &b);
        return json_pack("{s:b, s:s, s:i, s:i, s:I, s:I, s:I, s:b, s:o}", "consuming", h->consuming, "why", h->why,
                         "consumers_wanted", (int)b.consumers_wanted, "consumers_registered",
                         (int)b.consumers_registered, "in_hand", (json_int_t)w->run_count, "ai_in_flight",
                         (json_int_t)ai_in_flight(w->ai), "finished", (json_int_t)w->finished, "publishing",
                         (int)b.publisher_up, "tasks", tasks_json(h));
}

/* ---- telling ---- */

/* Written beside and renamed, so that a probe never reads half a line. */
static void write_file(const struct health *h)
{
        const char *path = h->worker->config->health_file;
        char beside[4096];
        if (!path || !*path || snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
                return;
        FILE *file = fopen(beside, "we");
        if (!file) {
                log_warn("worker", "health file %s can't be written: %s", path, strerror(errno));
                return;
        }
        fprintf(file, "%s%s%s\n", h->consuming ? "consuming" : "not consuming", *h->why ? ": " : "", h->why);
        fclose(file);
        if (rename(beside, path) != 0)
                log_warn("worker", "health file %s can't be written: %s", path, strerror(errno));
}

static void beat(struct health *h, uint64_t now_ms);

static void on_beaten(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct health *h = (struct health *)arg;
        (void)stored, (void)why;
        h->beating = false;
        if (h->again && result != STORE_CLOSED)
                beat(h, clock_mono_ms());
        else if (h->stopping)
                shutdown_adjust(h->worker);
}

static void beat(struct health *h, uint64_t now_ms)
{
        struct worker *w = h->worker;
        JSON_OWNED json_t *state = as_json(h);
        h->again = h->beating;
        if (h->beating || !state || w->phase >= WORKER_CLOSING)
                return;
        h->beating = true;
        h->asked_ms = now_ms;
        w->store->backend->beat(w->store, state, on_beaten, h);
}

static void on_look(uv_timer_t *timer)
{
        health_look((struct health *)timer->data);
}

void health_look(struct health *h)
{
        char why[sizeof(h->why)];
        const uint64_t now_ms = clock_mono_ms();
        find_fault(h, now_ms, why, sizeof(why));
        h->last_look_ms = now_ms;

        /* While it starts, what is not there yet is no news. */
        const bool consuming = !*why, starting = !h->said && !consuming && h->looks < START_LOOKS;
        const bool changed = !starting && (!h->said || consuming != h->consuming);
        memcpy(h->why, why, sizeof(why));
        h->consuming = consuming;
        if (changed && consuming)
                log_info("worker", "consuming: %u queues, %u slots each", (unsigned)h->worker->queue_count,
                         h->worker->slots);
        else if (changed)
                log_warn("worker", "not consuming: %s", why);
        h->said = h->said || changed;
        write_file(h);
        if (changed || h->looks % BEAT_EVERY == 0)
                beat(h, now_ms);
        h->looks++;
}

void health_stop(struct health *h)
{
        h->stopping = true;
        health_look(h);
}

bool health_busy(const struct health *h)
{
        return h->beating && h->worker->store->backend->up(h->worker->store);
}

static void release_memory(uv_handle_t *handle)
{
        struct health *h = (struct health *)handle->data;
        free(h->rates);
        free(h);
}

void health_close(struct health *h)
{
        if (h)
                uv_close((uv_handle_t *)&h->timer, release_memory);
}
