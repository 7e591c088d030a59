/* SPDX-License-Identifier: Apache-2.0 */
/* chard keep: filing dead letters and the fleet's duties, as a process. */
#include "cli/serve/serve.h"

#include "cli/dlq/dlq.h"
#include "core/log.h"

struct process {
        uv_loop_t loop;
        struct keeper *keeper;
        struct figures figures;
        struct tracing tracing;
};

static void keep_stop(void *arg)
{
        keeper_stop(((struct process *)arg)->keeper);
}

static void keep_on_stopped(void *arg)
{
        uv_stop(&((struct process *)arg)->loop);
}

static bool keep_ready(const char **why, void *arg)
{
        return keeper_ready(((const struct process *)arg)->keeper, why);
}

static int keep_show(struct process *p, const struct keeper_config *config, const char *metrics, struct problem *why)
{
        const struct show_config show = {
                .loop = &p->loop,
                .catalog = config->catalog,
                .broker = keeper_broker(p->keeper),
                .store = keeper_store(p->keeper),
                .fleet = true,
                .ready = keep_ready,
                .arg = p,
        };
        return p->figures.meter ? figures_show(&p->figures, show, metrics, why) : 0;
}

static void keep_close(void *arg)
{
        struct process *p = (struct process *)arg;
        figures_hide(&p->figures);
        if (p->keeper)
                keeper_close(p->keeper);
        figures_end(&p->figures);
        tracing_end(&p->tracing);
}

static int keep_serve(const struct command *self, struct process *p, struct keeper_config *config,
                      const struct settings *s)
{
        const struct serve_part part = { &p->loop, "dlq", keep_stop, keep_close, p };
        struct problem why = { 0 };
        int code = *s->metrics ? figures_begin(&p->figures, &p->loop, "keeper", config->name) : 0;
        config->meter = p->figures.meter;
        if (code == 0)
                code = tracing_begin(&p->tracing, s, &p->loop, config->name, p->figures.meter, &why);
        config->spans = tracing_source(&p->tracing);
        if (code == 0)
                code = keeper_open(&p->keeper, config, &why);
        if (code == 0)
                code = keep_show(p, config, s->metrics, &why);
        return serve_alone(self, &part, code, &why);
}

struct keeper_config serve_keeper_config(const struct settings *s, const struct catalog *catalog, uv_loop_t *loop,
                                         const char *name)
{
        log_hide(s->dlq_webhook_url);
        return (struct keeper_config){
                .loop = loop,
                .catalog = catalog,
                .broker_urls = s->broker_url,
                .broker_ca_file = setting_or_null(s->broker_ca_file),
                .broker_admin_url = setting_or_null(s->broker_admin_url),
                .store_url = s->store_url,
                .name = name,
                .heartbeat_s = (unsigned)s->heartbeat_s,
                .connect_timeout_ms = (unsigned)s->connect_timeout_ms,
                .native_delay = s->native_delay,
                .declare_queues = s->declare_queues,
                .max_body = (size_t)s->max_body_bytes,
                .queues = s->dlq_queues,
                .result_urls = s->result_url,
                .result_expires_s = (unsigned)s->result_expires_s,
                .duties = {
                        .lease_ms = (unsigned)s->duties_lease_s * 1000,
                        .deadline_ms = (unsigned)s->deadline_ms,
                        .policies = s->dlq_policies,
                        .stale_every_s = (unsigned)s->stale_every_s,
                        .stale_slack_s = (unsigned)s->stale_slack_s,
                        .task_routes = s->task_routes,
                        .default_queue = s->default_queue,
                        .webhook_url = s->dlq_webhook_url,
                        .webhook_shape = s->dlq_webhook_shape,
                        .webhook_every_s = (unsigned)s->dlq_webhook_every_s,
                        .webhook_quiet_s = (unsigned)s->dlq_webhook_quiet_s,
                        .hook_secret = s->webhook_secret,
                        .hook_private = s->webhook_private,
                        .blob_keep_s = (unsigned)s->blob_keep_s,
                },
        };
}

static int keep_run(const struct command *self, int argc, char **argv)
{
        struct settings s;
        struct process p = { 0 };
        int code;
        if (!command_load(self, NULL, &s, argc, argv, NULL, &code))
                return code;
        struct catalog *catalog = command_catalog(self, &s, &code);
        if (!catalog) {
                settings_free(&s);
                return code;
        }
        char name[256];
        serve_name(&s, "keeper", name, sizeof(name));
        struct keeper_config config = serve_keeper_config(&s, catalog, &p.loop, name);
        config.health_file = setting_or_null(s.health_file);
        config.stopped = keep_on_stopped;
        config.arg = &p;
        uv_loop_init(&p.loop);
        log_info("dlq", "chard " CHARD_VERSION " keeps dead letters as %s", name);
        code = keep_serve(self, &p, &config, &s);
        uv_loop_close(&p.loop);
        catalog_unref(catalog);
        settings_free(&s);
        return code;
}

const struct command command_keep = {
        .name = "keep",
        .summary = "File dead letters in the store and do the fleet's duties, until SIGTERM",
        .usage = "[-n NAME] [--tasks FILE,…] [--dlq-queues QUEUE,…] [--metrics ADDRESS:PORT]",
        .example =
                "  chard keep\n"
                "  chard keep --tasks ./mine.so --dlq-queues old.queue   the letters of a plug-in's queues, and of old.queue.dead",
        .details =
                "One is enough, and one is needed: workers do none of this. Several may run at once: each letter is filed once, and one of\n"
                "them does the duties (stale jobs, automatic reprocessing, alarms, seals, the outbox's partitions, what is old) until it\n"
                "ends. `chard status` names it.",
        .serves = true,
        .run = keep_run,
};

/* Its other name. */
const struct command command_dlq_keep = {
        .name = "dlq keep",
        .summary = "The same as `chard keep`",
        .usage = "[-n NAME] [--tasks FILE,…] [--dlq-queues QUEUE,…] [--metrics ADDRESS:PORT]",
        .example = "  chard dlq keep",
        .serves = true,
        .run = keep_run,
};
