/* SPDX-License-Identifier: Apache-2.0 */
/* The doors, the table of routes, opening and closing. */
#include "core/log.h"
#include "gateway/api_key.h"
#include "gateway/console/console.h"
#include "gateway/keys.h"
#include "gateway/letters/letters.h"
#include "gateway/look/look.h"
#include "gateway/once.h"
#include "gateway/own.h"
#include "observe/show.h"
#include "pipelines/pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GATEWAY_RECENT = 16384, GATEWAY_OUTLAST_MS = 2000 }; /* a broker that has not confirmed by then counts as away */

#define JSON_TYPE "application/json"

static const struct route gateway_routes[] = {
        { "POST", "/v1/jobs", submit_job, NULL, JSON_TYPE, NULL, "Submit a job", "submit" },
        { "GET", "/v1/jobs", list_jobs, list_params, NULL, NULL, "List jobs, newest first", "read" },
        { "GET", "/v1/jobs/{id}", read_job, read_params, NULL, NULL, "Read a job, or wait for its end", "read" },
        { "GET", "/v1/jobs/{id}/events", stream_job, stream_params, NULL, NULL,
          "Follow a job's steps as server-sent events", "read" },
        { "GET", "/v1/jobs/{id}/trace", look_trace, NULL, NULL, NULL, "A job's whole life in the order of time",
          "read" },
        { "GET", "/v1/find", look_find, look_find_params, NULL, NULL, "Find jobs by any id, or by how one begins",
          "read" },
        { "GET", "/v1/workers", look_workers, NULL, NULL, NULL,
          "Who works, what they hold, and what waits in the store", "read" },
        { "GET", "/v1/dead-letters", letters_list, letters_list_params, NULL, NULL,
          "List dead letters, the latest first", "read" },
        { "GET", "/v1/dead-letters/groups", letters_groups, letters_groups_params, NULL, NULL,
          "Dead letters by what they died of, most entries first", "read" },
        { "GET", "/v1/dead-letters/{entry}", letters_entry, NULL, NULL, NULL,
          "One dead letter: its error record, its message, what was done to it", "read" },
        { "POST", "/v1/dead-letters/actions/{action}", letters_act, NULL, JSON_TYPE, NULL,
          "Requeue or discard dead letters, or say what that would do", "operate" },
        { "POST", "/v1/jobs:batch", submit_batch, NULL, BATCH_TYPE, NULL, "Submit many jobs, a JSON line each",
          "submit" },
        { "POST", "/v1/tasks", send_any_task, NULL, JSON_TYPE, NULL, "Send one task", "submit" },
        { "POST", "/v1/blobs", upload_picture, NULL, UPLOAD_TYPES, NULL, "Upload a picture for jobs to come",
          "submit" },
        { "DELETE", "/v1/jobs/{id}", delete_job, NULL, NULL, NULL, "Cancel a job", "operate" },
        { "GET", "/openapi.json", describe, NULL, NULL, NULL, "This description", NULL },
        { "GET", "/openapi-3.2.json", describe, NULL, NULL, NULL,
          "This description by OpenAPI 3.2, which also says what streams consist of", NULL },
        { "GET", "/metrics", gateway_metrics, NULL, NULL, NULL,
          "Figures of this process and of the fleet, for Prometheus", "read" },
        { "GET", "/stats/queues", gateway_queues, show_queues_params, NULL, NULL,
          "What the queues hold and who works on them; an unknown number is a problem", "read" },
        { "GET", "/", console_enter, NULL, NULL, NULL, NULL, NULL },
        { "GET", "/console", console_enter, NULL, NULL, NULL, NULL, NULL },
        { "GET", "/console/", console_serve, NULL, NULL, NULL, NULL, NULL },
        { "GET", "/console/{file}", console_serve, console_params, NULL, NULL, NULL, NULL },
        { "GET", "/healthz", probe_health, NULL, NULL, NULL, "Is the process alive?", NULL },
        { "GET", "/readyz", probe_ready, NULL, NULL, NULL, "Can it take work, and which part is away?", NULL },
};

/* Of what a request asks for. */
const struct problem_row gateway_problems[] = {
        { "store", "bad_cursor", 400 },
        { "request", "no_job", 404 },
        { "pipeline", "bad_input", 422 },
        { "pipeline", "no_pipeline", 422 },
        { "message", "bad_task", 422 },
        { "request", "key_in_use", 409 },
        { "request", "key_reused", 422 },
        { "request", "bad_webhook", 422 },
        { "pipeline", "no_blob", 422 },
        { "request", "unknown_key", 503 },
        { NULL, NULL, 0 },
};

enum { GATEWAY_ROUTES = sizeof(gateway_routes) / sizeof(gateway_routes[0]) };

/* ---- routes: those above, and one a pipeline ---- */

static int gateway_shorthand(struct gateway *g, struct route *out, size_t at, const struct pipeline *p)
{
        if (asprintf(&g->patterns[at], "/v1/%s", p->path ? p->path : p->name) < 0) {
                g->patterns[at] = NULL;
                return -ENOMEM;
        }
        *out = (struct route){
                .method = "POST",
                .pattern = g->patterns[at],
                .serve = submit_shorthand,
                .takes = upload_fits(p) ? JSON_TYPE ", " MULTIPART_TYPE : JSON_TYPE,
                .subject = p,
                .summary = "Submit a job of this pipeline: the body is its input",
                .needs = "submit",
        };
        return 0;
}

static int gateway_make_routes(struct gateway *g)
{
        const struct pipeline *const *all = catalog_pipelines(g->config.catalog);
        size_t count = 0;
        while (all[count])
                count++;
        g->routes = calloc(GATEWAY_ROUTES + count + 1, sizeof(*g->routes));
        g->patterns = calloc(count + 1, sizeof(*g->patterns));
        if (!g->routes || !g->patterns)
                return -ENOMEM;
        memcpy(g->routes, gateway_routes, sizeof(gateway_routes));
        for (size_t i = 0; i < count; i++)
                if (gateway_shorthand(g, &g->routes[GATEWAY_ROUTES + i], i, all[i]))
                        return -ENOMEM;
        return 0;
}

/* ---- opening ---- */

static int gateway_open_jobs(struct gateway *g, struct problem *why)
{
        const struct jobs_config jobs = {
                .loop = g->config.loop,
                .catalog = g->config.catalog,
                .broker_urls = g->config.broker_urls,
                .broker_ca_file = g->config.broker_ca_file,
                .store_url = g->config.store_url,
                .name = g->config.name,
                .heartbeat_s = g->config.heartbeat_s,
                .connect_timeout_ms = g->config.connect_timeout_ms,
        };
        const int code = jobs_open(&g->jobs, &jobs, why);
        return code ? code : jobs_outlast(g->jobs, GATEWAY_OUTLAST_MS);
}

static void on_gateway_idle(void *arg)
{
        const struct gateway *g = (const struct gateway *)arg;
        if (g->config.stopped)
                g->config.stopped(g->config.arg);
}

static int gateway_admit(void *owner, struct exchange *x, struct problem *why)
{
        struct gateway *g = (struct gateway *)owner;
        const char *needs = exchange_route(x)->needs;
        const int code =
                needs && keys_asked(g->keys) ? keys_admit(g->keys, x, api_scope_of(needs, strlen(needs)), why) : 0;
        if (code == 0)
                traced_begin(g, x);
        return code;
}

static size_t gateway_route_most(const void *owner, const struct route *r)
{
        const struct gateway *g = (const struct gateway *)owner;
        const struct pipeline *p = (const struct pipeline *)r->subject;
        return r->serve == upload_picture || (p && upload_fits(p)) ? g->config.upload_most + UPLOAD_FRAME : 0;
}

static int gateway_listen(struct gateway *g, struct problem *why)
{
        const struct server_config server = {
                .loop = g->config.loop,
                .listen = g->config.listen,
                .hosts = g->config.hosts,
                .hosts_setting = "CHARD_GATEWAY_HOSTS",
                .origins = g->config.origins,
                .origins_setting = "CHARD_GATEWAY_ORIGINS",
                .tls_certificate_file = g->config.tls_certificate_file,
                .tls_key_file = g->config.tls_key_file,
                .connections = g->config.connections,
                .body_most = g->config.body_most,
                .route_most = gateway_route_most,
                .log_file = g->config.log_file,
                .routes = g->routes,
                .problems = gateway_problems,
                .owner = g,
                .admit = gateway_admit,
                .answered = on_gateway_answered,
                .idle = on_gateway_idle,
                .arg = g,
        };
        return server_open(&g->server, &server, why);
}

int gateway_open(struct gateway **out, const struct gateway_config *config, struct problem *why)
{
        struct gateway *g = calloc(1, sizeof(*g));
        if (!g)
                return -ENOMEM;
        g->config = *config;
        int code = gateway_make_routes(g);
        if (code == 0)
                code = gateway_open_jobs(g, why);
        if (code == 0)
                code = keys_open(&g->keys, config, jobs_store(g->jobs), why);
        if (code == 0)
                code = console_open(&g->console);
        if (code == 0)
                code = recent_open(&g->recent, GATEWAY_RECENT);
        if (code == 0)
                code = streams_open(&g->streams, config->loop, g);
        if (code == 0)
                code = gateway_listen(g, why);
        if (code) {
                gateway_close(g);
                return code;
        }
        gateway_count(g);
        log_info("gateway", "listens on %s, port %u%s", config->listen, server_port(g->server),
                 config->tls_key_file ? ", with TLS" : "");
        *out = g;
        return 0;
}

unsigned gateway_port(const struct gateway *g)
{
        return server_port(g->server);
}

struct store *gateway_store(const struct gateway *g)
{
        return jobs_store(g->jobs);
}

struct broker *gateway_broker(const struct gateway *g)
{
        return jobs_broker(g->jobs);
}

void gateway_stop(struct gateway *g)
{
        g->stopping = true;
        server_stop(g->server);
}

void gateway_close(struct gateway *g)
{
        g->stopping = true;
        server_close(g->server);
        onces_leave(g);
        streams_close(g->streams);
        keys_close(g->keys);
        jobs_close(g->jobs);
        for (size_t i = 0; g->patterns && g->patterns[i]; i++)
                free(g->patterns[i]);
        recent_close(g->recent);
        console_close(g->console);
        free(g->patterns);
        free(g->routes);
        free(g);
}
