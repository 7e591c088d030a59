/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/run/run.h"

#include "broker/inspect.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/text/nearest.h"
#include "worker/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int check_queues(const struct worker_config *config, struct problem *why);
static void worker_watch(struct worker *w);
static int worker_open_store(void *arg, struct problem *why);
static int open_both(struct worker *w, struct problem *why);
static int open_rest(struct worker *w, struct problem *why);

int worker_open(struct worker **out, const struct worker_config *config, struct problem *why)
{
        int code = check_queues(config, why);
        if (code)
                return code;
        struct worker *w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        absence_init(&w->store_absence, "store", "store", "");
        w->config = config;
        w->loop = config->loop;
        w->catalog = catalog_ref(config->catalog);
        w->runs.next = w->runs.previous = &w->runs;
        uv_timer_init(w->loop, &w->grace_timer);
        w->grace_timer.data = w;
        worker_watch(w);
        code = task_routes_read(&w->routes, config->task_routes, config->default_queue, why);
        if (!code)
                code = map_new(&w->by_id);
        if (!code)
                code = intake_open(w);
        if (!code)
                known_open(w);
        if (!code)
                code = open_both(w, why);
        if (!code)
                intake_adjust(w); /* while the rest is opened the first deliveries are on their way */
        if (!code)
                code = open_rest(w, why);
        if (code) {
                worker_close(w);
                return code;
        }
        *out = w;
        return 0;
}

static void worker_watch(struct worker *w)
{
        for (struct observer *o = w->config->observers, *next; o; o = next) {
                next = o->next;
                observing_add(&w->observing, o);
        }
}

/* A misspelt queue would be declared and then consumed in vain. */
static int check_queues(const struct worker_config *config, struct problem *why)
{
        enum { MOST = 256 };
        const char *names[MOST];
        size_t count = 0;
        const struct task_set *set = catalog_tasks(config->catalog);
        for (size_t i = 0; i < set->count && count < MOST; i++)
                names[count++] = set->tasks[i].def->queue;
        for (size_t i = 0; i < config->queue_count; i++) {
                size_t at = 0;
                while (at < count && strcmp(names[at], config->queues[i]) != 0)
                        at++;
                if (at < count)
                        continue;
                const char *near = nearest_name(config->queues[i], names, count);
                return problem_set(why, "settings", "unknown_queue", "no task has the queue \"%.100s\"%s%s%s",
                                   config->queues[i], near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
        }
        return 0;
}

static void worker_on_store_changed(bool up, const char *why, void *arg)
{
        struct worker *w = (struct worker *)arg;
        if (up)
                absence_back(&w->store_absence, 1, clock_mono_ms());
        else
                absence_lost(&w->store_absence, 1, why, clock_mono_ms());
        if (w->broker)
                intake_adjust(w);
        if (w->pulse)
                pulse_look(w->pulse);
}

static void worker_on_heard(int64_t due_ms, void *arg)
{
        releaser_expect(((struct worker *)arg)->releaser, due_ms);
}

static int worker_open_store(void *arg, struct problem *why)
{
        struct worker *w = (struct worker *)arg;
        const struct store_config config = {
                .loop = w->loop,
                .url = w->config->store_url,
                .owner = w->config->name,
                .release_leases = true,
                .connect_timeout_ms = w->config->connect_timeout_ms,
                .changed = worker_on_store_changed,
                .arg = w,
        };
        return store_open(&w->store, &config, why);
}

/* The store while the broker is connected: each mostly waits for its server. */
static int open_both(struct worker *w, struct problem *why)
{
        if (topology_build(&w->topology, w->config->queues, w->config->queue_count, w->config->native_delay) < 0)
                return -ENOMEM;
        if (!w->config->declare_queues)
                topology_leave(&w->topology, w->config->queues, w->config->queue_count);
        const struct broker_listener listener = { .arg = w,
                                                  .deliveries = intake_deliveries,
                                                  .changed = intake_changed };
        const struct broker_config config = {
                .loop = w->loop,
                .urls = w->config->broker_urls,
                .ca_file = w->config->broker_ca_file,
                .name = w->config->name,
                .heartbeat_s = w->config->heartbeat_s,
                .connect_timeout_ms = w->config->connect_timeout_ms,
                .topology = &w->topology,
                .meanwhile = worker_open_store,
                .meanwhile_arg = w,
        };
        return broker_open(&w->broker, &config, &listener, why);
}

static int worker_inspect_broker(struct worker *w)
{
        const struct worker_config *c = w->config;
        const struct broker_check_config check = { .urls = c->broker_urls,
                                                   .ca_file = c->broker_ca_file,
                                                   .admin_url = c->broker_admin_url,
                                                   .leaves_tasks = !c->declare_queues };
        return inspection_start(&w->inspection, w->loop, &check, c->queues, c->queue_count, c->native_delay);
}

static int open_rest(struct worker *w, struct problem *why)
{
        struct ai_config ai = w->config->ai;
        ai.loop = w->loop;
        ai.offline = run_answer_offline;
        const struct results_config results = {
                .loop = w->loop,
                .urls = w->config->result_urls,
                .broker = w->broker,
                .expires_s = w->config->result_expires_s,
                .connect_timeout_ms = w->config->connect_timeout_ms,
        };
        int code = ai_open(&w->ai, &ai, why);
        if (!code)
                code = results_open(&w->results, &results, why);
        if (!code)
                code = releaser_open(&w->releaser, w);
        if (!code)
                code = owed_results_open(&w->owed, w);
        if (!code)
                code = health_open(w);
        if (!code)
                code = control_open(&w->control, w);
        if (!code)
                code = worker_inspect_broker(w);
        if (!code)
                w->store->schedule->on_scheduled(w->store, worker_on_heard, w);
        return code;
}

int worker_use(struct worker *w, struct catalog *catalog)
{
        if (health_use(w, catalog) < 0)
                return -ENOMEM;
        catalog_unref(w->catalog);
        w->catalog = catalog_ref(catalog);
        return 0;
}

const char *worker_provider(const struct worker *w)
{
        return ai_provider_name(w->ai);
}

/* ---- closing ---- */

void worker_close(struct worker *w)
{
        w->phase = WORKER_CLOSED;
        inspection_end(w->inspection);
        releaser_close(w->releaser);
        owed_results_close(w->owed);
        w->owed = NULL;
        health_close(w);
        control_stop(w->control);
        if (w->ai)
                ai_close(w->ai);
        results_close(w->results);
        if (w->broker)
                broker_close(w->broker);
        if (w->store)
                w->store->backend->close(w->store);
        runs_close(w);
        uv_close((uv_handle_t *)&w->grace_timer, NULL);
        while (uv_run(w->loop, UV_RUN_ONCE) != 0)
                ;
        control_free(w->control);
        intake_close(w);
        topology_free(&w->topology);
        task_routes_free(&w->routes);
        known_close();
        map_free(w->by_id);
        catalog_unref(w->catalog);
        absence_destroy(&w->store_absence);
        free(w);
}
