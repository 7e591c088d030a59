/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's pulse: what counts as consuming here, and what its row tells besides; a change is logged. */
#include "worker/run/run.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "store/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A beat that is no older than this is one of a process that lives. */
enum { FRESH_MS = PULSE_BEAT_MS + 1000 };

static void health_tell(struct observer *o, const struct run_event *e);
static bool health_complete(const struct broker_health *now, void *arg);
static json_t *health_state_of(void *arg);
static void health_on_changed(const char *why, bool first, void *arg);
static void on_stopped(void *arg);

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

int health_open(struct worker *w)
{
        const struct pulse_config config = {
                .loop = w->loop,
                .broker = w->broker,
                .store = w->store,
                .queue_count = w->config->queue_count,
                .heartbeat_s = w->config->heartbeat_s,
                .publishes = true,
                .store_absence = &w->store_absence,
                .health_file = w->config->health_file,
                .area = "worker",
                .without_the_store = "so no work is taken",
                .complete = health_complete,
                .state = health_state_of,
                .changed = health_on_changed,
                .stopped = on_stopped,
                .arg = w,
        };
        w->rates = calloc(catalog_tasks(w->catalog)->count + 1, sizeof(*w->rates));
        if (!w->rates)
                return -ENOMEM;
        w->counting = (struct observer){
                .kinds = RUN_BIT(RUN_COMMITTED) | RUN_BIT(RUN_RETRYING) | RUN_BIT(RUN_DEAD) | RUN_BIT(RUN_ACKED),
                .tell = health_tell,
        };
        observing_add(&w->observing, &w->counting);
        w->store->read->worker(w->store, w->config->name, on_namesake, w);
        return pulse_open(&w->pulse, &config);
}

/* An attempt counts when it has ended: well, or not. Of a stateless task nobody asks. */
static void health_rate(struct worker *w, const struct run_event *e, bool ok)
{
        const struct task *task = e->def && run_keeps_state(e->run) ? catalog_task(w->catalog, e->def->name) : NULL;
        const struct rates one = {
                .ok = ok, .failed = !ok, .took_ms = ok ? e->took_ms : 0, .cost_nano = e->usage.cost_nano
        };
        if (w->rates && task)
                rates_count(&w->rates[task->index], &one, clock_mono_ms());
}

static void health_tell(struct observer *o, const struct run_event *e)
{
        struct worker *w = (struct worker *)((char *)o - offsetof(struct worker, counting));
        switch (e->kind) {
        case RUN_COMMITTED: health_rate(w, e, true); break;
        case RUN_RETRYING:
                if (!e->committed)
                        health_rate(w, e, false);
                break;
        case RUN_DEAD:
                if (!e->again)
                        health_rate(w, e, false);
                break;
        default: w->finished++; /* RUN_ACKED */
        }
}

int health_use(struct worker *w, const struct catalog *catalog)
{
        const struct task_set *set = catalog_tasks(catalog);
        struct rates_row *rates = calloc(set->count + 1, sizeof(*rates));
        if (!rates)
                return -ENOMEM;
        for (size_t i = 0; i < set->count; i++) {
                const struct task *before = catalog_task(w->catalog, set->tasks[i].def->name);
                if (before && w->rates)
                        rates[i] = w->rates[before->index];
        }
        free(w->rates);
        w->rates = rates;
        return 0;
}

void health_close(struct worker *w)
{
        pulse_close(w->pulse);
        w->pulse = NULL;
        free(w->rates);
        w->rates = NULL;
}

static bool health_complete(const struct broker_health *now, void *arg)
{
        const struct worker *w = (const struct worker *)arg;
        return now->consumers_registered >= now->consumers_wanted && now->consumers_wanted >= w->config->queue_count;
}

static bool health_consumes(const struct worker *w, const char *queue)
{
        for (size_t i = 0; i < w->config->queue_count; i++)
                if (strcmp(w->config->queues[i], queue) == 0)
                        return true;
        return false;
}

/* Of each task that is consumed here: its attempts of the last five minutes, with their time and cost, and how long its model is paused. */
static json_t *tasks_json(const struct worker *w)
{
        const uint64_t now_ms = clock_mono_ms();
        json_t *tasks = json_object();
        const struct task_set *set = catalog_tasks(w->catalog);
        for (size_t i = 0; i < set->count; i++) {
                const struct task_def *def = set->tasks[i].def;
                if (!health_consumes(w, def->queue))
                        continue;
                const struct rates sums = rates_sum(&w->rates[i], now_ms);
                const uint64_t paused_ms = def->ask ? ai_paused_ms(w->ai, def->model, now_ms) : 0;
                json_object_set_new(tasks, def->name,
                                    json_pack("{s:i, s:i, s:I, s:I, s:I}", "ok", (int)sums.ok, "failed",
                                              (int)sums.failed, "took_ms", (json_int_t)sums.took_ms, "cost_nano",
                                              (json_int_t)sums.cost_nano, "paused_ms", (json_int_t)paused_ms));
        }
        return tasks;
}

static void add_trouble(const char *what, const struct problem *why, bool fault, void *arg)
{
        json_object_set_new((json_t *)arg, what,
                            json_pack("{s:s, s:s, s:b}", "code", why->code, "text", why->text, "fault", (int)fault));
}

/* What of the AI is paused, by name. */
static json_t *paused_json(const struct worker *w)
{
        json_t *paused = json_object();
        ai_tell_trouble(w->ai, add_trouble, paused);
        return paused;
}

static json_t *door_json(const struct door_counts *c)
{
        return json_pack("{s:I, s:I, s:I, s:I, s:I}", "calls", (json_int_t)c->calls, "errors", (json_int_t)c->errors,
                         "groups", (json_int_t)c->groups, "total_us", (json_int_t)c->total_us, "last_us",
                         (json_int_t)c->last_us);
}

static void health_add_queue(const struct worker_queue *q, void *arg)
{
        const json_int_t in_hand = (json_int_t)q->in_hand, slots = q->slots;
        json_object_set_new((json_t *)arg, q->name,
                            json_pack("{s:I, s:I, s:I}", "in_hand", in_hand, "slots_free",
                                      slots > in_hand ? slots - in_hand : 0, "taken_ms", (json_int_t)q->taken_ms));
}

static json_t *queues_json(const struct worker *w)
{
        json_t *queues = json_object();
        worker_tell_queues(w, health_add_queue, queues);
        return queues;
}

/* Tasks whose answers were paid for and wait to be committed, the oldest first. */
static json_t *uncommitted_json(const struct worker *w)
{
        enum { MOST = 1000 };
        json_t *ids = json_array();
        for (const struct run *run = w->runs.next; run != &w->runs && json_array_size(ids) < MOST; run = run->next)
                if (run_waits_to_commit(run))
                        json_array_append_new(ids, json_string(run->message.id));
        return ids;
}

/* The one that has been at work for longest; null: none is. */
static json_t *oldest_json(const struct worker *w)
{
        const struct run *run = w->runs.next;
        while (run != &w->runs && run_began_ms(run) == 0)
                run = run->next;
        if (run == &w->runs)
                return json_null();
        const int64_t ms = clock_wall_ms() - run_began_ms(run);
        json_t *oldest = json_pack("{s:s, s:s, s:I}", "id", run->message.id, "task", run->message.name, "ms",
                                   (json_int_t)(ms > 0 ? ms : 0));
        return oldest ? oldest : json_null();
}

static json_t *health_state_of(void *arg)
{
        const struct worker *w = (const struct worker *)arg;
        struct broker_health b;
        if (w->phase >= WORKER_CLOSING)
                return NULL;
        broker_health(w->broker, &b);
        return json_pack("{s:i, s:i, s:I, s:I, s:I, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "consumers_wanted",
                         (int)b.consumers_wanted, "consumers_registered", (int)b.consumers_registered, "in_hand",
                         (json_int_t)w->run_count, "ai_in_flight", (json_int_t)ai_in_flight(w->ai), "finished",
                         (json_int_t)w->finished, "publishing", (int)b.publisher_up, "tasks", tasks_json(w), "paused",
                         paused_json(w), "uncommitted", uncommitted_json(w), "store", door_json(store_counts(w->store)),
                         "broker", door_json(broker_counts(w->broker)), "queues", queues_json(w), "oldest",
                         oldest_json(w));
}

static void health_on_changed(const char *why, bool first, void *arg)
{
        const struct worker *w = (const struct worker *)arg;
        (void)first;
        if (*why)
                log_warn("worker", "not consuming: %s", why);
        else
                log_info("worker", "consuming: %u queues, %u slots each", (unsigned)w->queue_count, w->slots);
}

static void on_stopped(void *arg)
{
        shutdown_adjust((struct worker *)arg);
}
