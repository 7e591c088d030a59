/* SPDX-License-Identifier: Apache-2.0 */
/* chard gateway: the HTTP gateway as a process. */
#include "cli/serve/serve.h"
#include "core/log.h"
#include "core/memory.h"

#include <sys/resource.h>

struct gateway_process {
        uv_loop_t loop;
        struct gateway *gateway;
        struct figures figures;
        struct tracing tracing;
};

static void gateway_process_stop(void *arg)
{
        gateway_stop(((struct gateway_process *)arg)->gateway);
}

static void on_gateway_stopped(void *arg)
{
        uv_stop(&((struct gateway_process *)arg)->loop);
}

/* Connections that can be had: some descriptors are for broker, store and log. */
static unsigned gateway_connections(const struct settings *s)
{
        enum { OTHERS = 64 };
        struct rlimit limit;
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < (rlim_t)s->gateway_connections + OTHERS)
                return limit.rlim_cur > 2 * OTHERS ? (unsigned)limit.rlim_cur - OTHERS : OTHERS;
        return (unsigned)s->gateway_connections;
}

struct gateway_config serve_gateway_config(const struct settings *s, const struct catalog *catalog, uv_loop_t *loop,
                                           const char *name)
{
        serve_raise_file_limit();
        return (struct gateway_config){
                .loop = loop,
                .catalog = catalog,
                .broker_urls = s->broker_url,
                .broker_ca_file = setting_or_null(s->broker_ca_file),
                .store_url = s->store_url,
                .name = name,
                .heartbeat_s = (unsigned)s->heartbeat_s,
                .connect_timeout_ms = (unsigned)s->connect_timeout_ms,
                .listen = s->gateway_listen,
                .hosts = s->gateway_hosts,
                .origins = s->gateway_origins,
                .tls_certificate_file = setting_or_null(s->gateway_tls_cert),
                .tls_key_file = setting_or_null(s->gateway_tls_key),
                .log_file = setting_or_null(s->gateway_log),
                .connections = gateway_connections(s),
                .body_most = (size_t)s->max_body_bytes,
                .upload_most = (size_t)s->upload_max_bytes,
                .oidc_issuer = setting_or_null(s->oidc_issuer),
                .oidc_keys_url = s->oidc_jwks_url,
                .oidc_audience = s->oidc_audience,
                .oidc_scope_claim = s->oidc_scope_claim,
                .oidc_ca_file = setting_or_null(s->oidc_ca_file),
                .webhooks = *s->webhook_secret,
                .webhook_private = s->webhook_private,
        };
}

static bool gateway_process_ready(const char **why, void *arg)
{
        return gateway_ready(((const struct gateway_process *)arg)->gateway, why);
}

static int gateway_process_show(struct gateway_process *p, const struct gateway_config *config, const char *metrics,
                                struct problem *why)
{
        const struct show_config show = {
                .loop = &p->loop,
                .catalog = config->catalog,
                .broker = gateway_broker(p->gateway),
                .store = gateway_store(p->gateway),
                .fleet = true,
                .ready = gateway_process_ready,
                .arg = p,
        };
        const int code = figures_show(&p->figures, show, metrics, why);
        if (code == 0)
                gateway_show(p->gateway, p->figures.show);
        return code;
}

static void gateway_process_close(void *arg)
{
        struct gateway_process *p = (struct gateway_process *)arg;
        figures_hide(&p->figures);
        if (p->gateway)
                gateway_close(p->gateway);
        figures_end(&p->figures);
        tracing_end(&p->tracing);
}

static int gateway_serve(const struct command *self, struct gateway_config *config, const struct settings *s,
                         struct gateway_process *p)
{
        const struct serve_part part = { &p->loop, "gateway", gateway_process_stop, gateway_process_close, p };
        struct problem why = { 0 };
        int code = figures_begin(&p->figures, &p->loop, "gateway", config->name);
        config->meter = p->figures.meter;
        if (code == 0)
                code = tracing_begin(&p->tracing, s, &p->loop, config->name, p->figures.meter, &why);
        config->spans = tracing_source(&p->tracing);
        if (code == 0)
                code = gateway_open(&p->gateway, config, &why);
        if (code == 0)
                code = gateway_process_show(p, config, s->metrics, &why);
        return serve_alone(self, &part, code, &why);
}

static int gateway_run(const struct command *self, int argc, char **argv)
{
        struct settings s;
        struct gateway_process p = { 0 };
        char name[256];
        int code = 0;
        if (!command_load(self, NULL, &s, argc, argv, NULL, &code))
                return code;
        struct catalog *catalog = command_catalog(self, &s, &code);
        if (catalog) {
                serve_name(&s, "gateway", name, sizeof(name));
                memory_prepare();
                uv_loop_init(&p.loop);
                struct gateway_config config = serve_gateway_config(&s, catalog, &p.loop, name);
                config.stopped = on_gateway_stopped;
                config.arg = &p;
                code = gateway_serve(self, &config, &s, &p);
                uv_loop_close(&p.loop);
                catalog_unref(catalog);
        }
        settings_free(&s);
        return code;
}

const struct command command_gateway = {
        .name = "gateway",
        .summary = "Take jobs by HTTP, and tell how they do, until SIGTERM",
        .usage =
                "[--listen ADDRESS:PORT] [--gateway-hosts NAME,…] [--gateway-origins ORIGIN,…] [--tls-cert FILE --tls-key FILE] [--access-log FILE] [--metrics ADDRESS:PORT]",
        .example = "  chard gateway\n"
                   "  chard gateway --listen 127.0.0.1:9000 --access-log -",
        .details =
                "Several may run; they share nothing but broker and store. What it answers is in docs/http.md and at /openapi.json.\n"
                "A SIGTERM ends streams and long polls, answers what is under way, and ends it.",
        .serves = true,
        .run = gateway_run,
};
