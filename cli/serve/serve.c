/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve/serve.h"

#include "core/log.h"
#include "core/memory.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- any process that serves ---- */

void serve_name(const struct settings *s, const char *kind, char *out, size_t size)
{
        char host[128] = "localhost";
        gethostname(host, sizeof(host) - 1);
        if (*s->name)
                snprintf(out, size, "%s", s->name);
        else
                snprintf(out, size, "%s@%s", kind, host);
}

void serve_raise_file_limit(void)
{
        struct rlimit limit;
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
                limit.rlim_cur = limit.rlim_max;
                setrlimit(RLIMIT_NOFILE, &limit);
        }
}

static void on_serve_signal(uv_signal_t *handle, int number)
{
        const struct serve_signals *signals = (const struct serve_signals *)handle->data;
        log_info(signals->area, "signal %s", number == SIGTERM ? "SIGTERM" : "SIGINT");
        notify_stopping(&signals->notify);
        signals->stop(signals->arg);
}

/* ---- its log ---- */

static void on_serve_log_signal(uv_signal_t *handle, int number)
{
        const struct serve_signals *signals = (const struct serve_signals *)handle->data;
        const enum log_level level = number == SIGUSR1 ? log_set_level(LOG_DEBUG) : log_reset_level();
        log_line(level, signals->area, "the log's level is %s", log_level_name(level));
}

static void on_serve_tick(uv_timer_t *timer)
{
        (void)timer;
        log_tick(false);
}

static void serve_follow_log(struct serve_signals *signals, uv_loop_t *loop)
{
        enum { TICK_MS = 1000 };
        signals->louder.data = signals->quieter.data = signals;
        uv_signal_init(loop, &signals->louder);
        uv_signal_init(loop, &signals->quieter);
        uv_signal_start(&signals->louder, on_serve_log_signal, SIGUSR1);
        uv_signal_start(&signals->quieter, on_serve_log_signal, SIGUSR2);
        uv_timer_init(loop, &signals->tick);
        uv_timer_start(&signals->tick, on_serve_tick, TICK_MS, TICK_MS);
        /* none of them keeps the loop turning */
        uv_unref((uv_handle_t *)&signals->louder);
        uv_unref((uv_handle_t *)&signals->quieter);
        uv_unref((uv_handle_t *)&signals->tick);
}

static void serve_leave_log(struct serve_signals *signals)
{
        uv_close((uv_handle_t *)&signals->louder, NULL);
        uv_close((uv_handle_t *)&signals->quieter, NULL);
        uv_close((uv_handle_t *)&signals->tick, NULL);
        log_tick(true);
}

void serve_hear(struct serve_signals *signals, uv_loop_t *loop, const char *area, void (*stop)(void *arg), void *arg)
{
        signals->area = area;
        signals->stop = stop;
        signals->arg = arg;
        signals->term.data = signals->interrupt.data = signals;
        uv_signal_init(loop, &signals->term);
        uv_signal_init(loop, &signals->interrupt);
        uv_signal_start(&signals->term, on_serve_signal, SIGTERM);
        uv_signal_start(&signals->interrupt, on_serve_signal, SIGINT);
        serve_follow_log(signals, loop);
        notify_begin(&signals->notify, loop);
}

void serve_deaf(struct serve_signals *signals)
{
        uv_close((uv_handle_t *)&signals->term, NULL);
        uv_close((uv_handle_t *)&signals->interrupt, NULL);
        serve_leave_log(signals);
        notify_end(&signals->notify);
}

int serve_alone(const struct command *self, const struct serve_part *part, int code, const struct problem *why)
{
        struct serve_signals signals = { 0 };
        if (code) {
                part->close(part->arg);
                uv_run(part->loop, UV_RUN_DEFAULT);
                return command_fail(self, code, why);
        }
        serve_hear(&signals, part->loop, part->area, part->stop, part->arg);
        uv_run(part->loop, UV_RUN_DEFAULT);
        part->close(part->arg);
        serve_deaf(&signals);
        uv_run(part->loop, UV_RUN_DEFAULT);
        log_info(part->area, "stopped");
        return EXIT_DONE;
}

/* ---- a worker ---- */

static bool is_in(const char *queue, const char *const queues[], size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (strcmp(queues[i], queue) == 0)
                        return true;
        return false;
}

/* The queues named, or all but the diagnostic ones; the names point into `text`. */
static size_t choose_queues(const struct catalog *catalog, char *text, const char *queues[])
{
        size_t count = 0;
        for (char *save, *name = strtok_r(text, ", ", &save); name && count < SERVE_MOST_QUEUES;
             name = strtok_r(NULL, ", ", &save))
                queues[count++] = name;
        if (count)
                return count;
        const struct task_set *set = catalog_tasks(catalog);
        for (size_t i = 0; i < set->count && count < SERVE_MOST_QUEUES; i++) {
                const struct task_def *def = set->tasks[i].def;
                if (!(def->flags & TASK_DIAGNOSTIC) && !is_in(def->queue, queues, count))
                        queues[count++] = def->queue;
        }
        return count;
}

int service_init(struct service *service, const struct command *self, struct settings *s, bool keeps)
{
        int code = 0;
        *service = (struct service){ .self = self, .keeps = keeps, .metrics = s->metrics, .settings = s };
        service->catalog = command_catalog(self, s, &code);
        if (!service->catalog)
                return code;
        serve_name(s, "chard", service->name, sizeof(service->name));
        service->config = (struct worker_config){
                .loop = &service->loop,
                .catalog = service->catalog,
                .broker_urls = s->broker_url,
                .broker_ca_file = setting_or_null(s->broker_ca_file),
                .broker_admin_url = setting_or_null(s->broker_admin_url),
                .store_url = s->store_url,
                .result_urls = s->result_url,
                .result_expires_s = (unsigned)s->result_expires_s,
                .chord_lost_ms = (unsigned)s->chord_lost_ms,
                .declare_queues = s->declare_queues,
                .native_delay = s->native_delay,
                .track_started = s->track_started,
                .task_routes = s->task_routes,
                .default_queue = s->default_queue,
                .plug_ins = s->tasks,
                .ai = {
                        .provider = s->ai_provider,
                        .base_url = s->openai_base_url,
                        .api_key = s->openai_api_key,
                        .api_key_file = getenv("OPENAI_API_KEY_FILE"),
                        .model = s->openai_model,
                        .vision_model = s->openai_vision_model,
                        .connect_timeout_ms = (unsigned)s->connect_timeout_ms,
                        .max_connections = s->ai_connections,
                        .http2_plain = s->ai_http2_plain,
                        .baggage = s->ai_baggage,
                },
                .name = service->name,
                .queues = service->queues,
                .queue_count = choose_queues(service->catalog, s->queues, service->queues),
                .slots = (unsigned)s->slots,
                .heartbeat_s = (unsigned)s->heartbeat_s,
                .connect_timeout_ms = (unsigned)s->connect_timeout_ms,
                .grace_ms = (unsigned)s->grace_ms,
                .hold_ms = (unsigned)s->hold_ms,
                .max_starts = (unsigned)s->max_starts,
                .lease_slack_ms = (unsigned)s->lease_slack_ms,
                .outage_patience_s = (unsigned)s->outage_patience_s,
                .deadline_ms = (unsigned)s->deadline_ms,
                .max_body = (size_t)s->max_body_bytes,
                .remote_control = strcmp(s->remote_control, "yes") == 0,
                .health_file = setting_or_null(s->health_file),
        };
        snprintf(service->keeper_name, sizeof(service->keeper_name), "%.*s/keeper", (int)sizeof(service->name) - 1,
                 service->name);
        snprintf(service->consumer_name, sizeof(service->consumer_name), "%.*s/consumer",
                 (int)sizeof(service->name) - 1, service->name);
        service->consume = serve_consumers_config(s, service->catalog, &service->loop, service->consumer_name);
        service->keep = serve_keeper_config(s, service->catalog, &service->loop, service->keeper_name);
        return 0;
}

static void service_stop(void *arg)
{
        struct service *s = (struct service *)arg;
        worker_stop(s->worker);
        if (s->keeper)
                keeper_stop(s->keeper);
        if (s->gateway)
                gateway_stop(s->gateway);
        if (s->consumers)
                consumers_stop(s->consumers);
}

static void on_keeper_stopped(void *arg)
{
        ((struct service *)arg)->keeper_stopped = true;
}

static void service_on_gateway_stopped(void *arg)
{
        ((struct service *)arg)->gateway_stopped = true;
}

static void service_on_turn(uv_prepare_t *handle)
{
        (void)handle;
        memory_follow();
}

/* ---- its figures ---- */

static int service_begin_figures(struct service *s)
{
        if (!*s->metrics && !s->listens)
                return 0;
        const int code = figures_begin(&s->figures, &s->loop, s->listens ? "dev" : "worker", s->name);
        return code ? code : figures_of_runs(&s->figures, &s->config.observers);
}

static bool service_ready(const char **why, void *arg)
{
        return worker_ready(((const struct service *)arg)->worker, why);
}

static int service_show_figures(struct service *s, struct problem *why)
{
        const struct show_config config = {
                .loop = &s->loop,
                .catalog = s->catalog,
                .broker = worker_broker(s->worker),
                .store = worker_store(s->worker),
                .fleet = s->keeps,
                .ready = service_ready,
                .arg = s,
        };
        if (!s->figures.meter)
                return 0;
        int code = figures_of_worker(&s->figures, s->worker, s->catalog, s->queues, s->config.queue_count);
        if (code == 0)
                code = figures_show(&s->figures, config, s->metrics, why);
        if (code == 0 && s->gateway)
                gateway_show(s->gateway, s->figures.show);
        return code;
}

/* ---- its parts ---- */

static int open_keeper(struct service *s, struct problem *why)
{
        if (!s->keeps)
                return 0;
        s->keep.stopped = on_keeper_stopped;
        s->keep.meter = s->figures.meter;
        s->keep.arg = s;
        return keeper_open(&s->keeper, &s->keep, why);
}

static int open_gateway(struct service *s, struct problem *why)
{
        if (!s->listens)
                return 0;
        s->listen.stopped = service_on_gateway_stopped;
        s->listen.meter = s->figures.meter;
        s->listen.arg = s;
        const int code = gateway_open(&s->gateway, &s->listen, why);
        if (code != 1 || !s->port_is_free || strcmp(why->code, "address_in_use") != 0)
                return code;
        log_warn("gateway", "%s: no HTTP here; choose another port with --port", why->text);
        return 0;
}

static void close_parts(struct service *s)
{
        figures_hide(&s->figures);
        if (s->gateway)
                gateway_close(s->gateway);
        if (s->keeper)
                keeper_close(s->keeper);
        consumers_close(s->consumers);
        if (s->worker)
                worker_close(s->worker);
        celery_events_close(s->celery_events);
        figures_end(&s->figures);
        tracing_end(&s->tracing);
}

static void service_on_consumers_stopped(void *arg)
{
        ((struct service *)arg)->consumers_stopped = true;
}

static int open_consumers(struct service *s, struct problem *why)
{
        if (!s->consumes)
                return 0;
        s->consume.stopped = service_on_consumers_stopped;
        s->consume.meter = s->figures.meter;
        s->consume.arg = s;
        return consumers_open(&s->consumers, &s->consume, why);
}

static int service_begin_events(struct service *s)
{
        if (strcmp(s->settings->events, "off") == 0)
                return 0;
        const int code = celery_events_open(&s->celery_events, s->name, strcmp(s->settings->events, "on") == 0);
        if (code == 0)
                s->config.dispatcher = celery_events_dispatcher(s->celery_events);
        return code;
}

static int open_all(struct service *s, struct problem *why)
{
        int code = service_begin_events(s);
        if (code == 0)
                code = service_begin_figures(s);
        if (code == 0)
                code = tracing_begin(&s->tracing, s->settings, &s->loop, s->name, s->figures.meter, why);
        if (code == 0)
                code = tracing_of_worker(&s->tracing, &s->config);
        s->listen.spans = s->keep.spans = s->consume.spans = tracing_source(&s->tracing);
        if (code == 0)
                code = worker_open(&s->worker, &s->config, why);
        if (code == 0)
                code = open_gateway(s, why);
        if (code == 0)
                code = open_keeper(s, why);
        if (code == 0)
                code = open_consumers(s, why);
        if (code == 0)
                code = service_show_figures(s, why);
        if (code) {
                close_parts(s);
                uv_run(&s->loop, UV_RUN_DEFAULT);
        }
        return code;
}

/* The worker has come to its end. */
static void close_all(struct service *s)
{
        while ((s->keeper && !s->keeper_stopped) || (s->gateway && !s->gateway_stopped) ||
               (s->consumers && !s->consumers_stopped))
                uv_run(&s->loop, UV_RUN_ONCE);
        close_parts(s);
}

static void follow_memory(struct service *s)
{
        uv_prepare_init(&s->loop, &s->turn);
        uv_prepare_start(&s->turn, service_on_turn);
        uv_unref((uv_handle_t *)&s->turn);
}

static int serve_until_end(struct service *s, void (*began)(struct service *s))
{
        struct problem why = { 0 };
        const int code = open_all(s, &why);
        if (code)
                return command_fail(s->self, code, &why);
        serve_hear(&s->signals, &s->loop, "worker", service_stop, s);
        follow_memory(s);
        if (began)
                began(s);
        uv_run(&s->loop, UV_RUN_DEFAULT);
        /* Until all is closed a further signal is heard and changes nothing; it no longer keeps the loop turning. */
        uv_unref((uv_handle_t *)&s->signals.term);
        uv_unref((uv_handle_t *)&s->signals.interrupt);
        close_all(s);
        serve_deaf(&s->signals);
        uv_close((uv_handle_t *)&s->turn, NULL);
        uv_run(&s->loop, UV_RUN_DEFAULT);
        log_info("worker", "stopped");
        return EXIT_DONE;
}

int service_run(struct service *s, void (*began)(struct service *s))
{
        serve_raise_file_limit();
        memory_prepare();
        uv_loop_init(&s->loop);
        log_info("worker", "chard " CHARD_VERSION " starts as %s", s->name);
        const int code = serve_until_end(s, began);
        uv_loop_close(&s->loop);
        catalog_unref(s->catalog);
        return code;
}
