/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/show.h"

#include "catalog/catalog.h"
#include "core/http/host.h"
#include "core/http/listen.h"
#include "core/http/server.h"
#include "core/json.h"
#include "core/log.h"
#include "observe/doors.h"
#include "observe/fleet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOW_QUEUES = 256, SHOW_CONNECTIONS = 64, SHOW_BODY = 1024, SHOW_ANSWER_MS = 10000 };

struct show {
        struct show_config config;
        struct door_meter *doors;
        struct collector collector; /* of the fleet's figures */
        struct fleet *fleet;
        struct server *server; /* or NULL */
        const char *queues[SHOW_QUEUES];
};

/* A request that waits for the fleet. */
struct showing {
        struct show *show;
        struct exchange *exchange;
        void (*answer)(struct show *s, struct exchange *x);
};

static void on_show_looked(void *arg)
{
        struct showing *w = (struct showing *)arg;
        w->answer(w->show, w->exchange);
        exchange_drop(w->exchange);
        free(w);
}

/* Look at the fleet, then answer. */
static void show_after_look(struct show *s, struct exchange *x, void (*answer)(struct show *s, struct exchange *x))
{
        struct showing *w = malloc(sizeof(*w));
        if (!w) {
                answer(s, x); /* with what is known */
                return;
        }
        *w = (struct showing){ s, x, answer };
        exchange_keep(x, SHOW_ANSWER_MS);
        fleet_look(s->fleet, on_show_looked, w);
}

/* ---- /metrics ---- */

static void show_fleet_collect(struct collector *c, struct metrics *m)
{
        const struct show *s = (const struct show *)((char *)c - offsetof(struct show, collector));
        fleet_show(s->fleet, m);
}

static void show_answer_metrics(struct show *s, struct exchange *x)
{
        struct buffer body = { 0 };
        const enum metrics_form form = metrics_form_for(exchange_header(x, "Accept"));
        metrics_write(meter_metrics(s->config.meter), form, &body);
        exchange_answer(x, 200, metrics_media(form), &body);
}

void show_metrics(void *show, struct exchange *x)
{
        struct show *s = (struct show *)show;
        if (s->config.fleet)
                show_after_look(s, x, show_answer_metrics);
        else
                show_answer_metrics(s, x);
}

/* ---- /stats/queues ---- */

const struct route_param show_queues_params[] = {
        { "queue", ROUTE_TEXT, 0, 0, "this queue alone" },
        { 0 },
};

static bool show_wants(const struct exchange *x, const char *queue)
{
        const char *only = target_value(exchange_target(x), "queue");
        return !only || strcmp(only, queue) == 0;
}

/* Add it to what is shown. 0; or 1 with `why`: something of it is not known. */
static int show_add_queue(const struct show *s, size_t at, json_t *queues, struct problem *why)
{
        const char *name = fleet_queue_name(s->fleet, at);
        const struct picture p = fleet_queue(s->fleet, at);
        const char *lacks = p.missing ? NULL : picture_lacks(&p);
        if (lacks)
                return problem_set(why, "fleet", "unknown", "%s: %s is not known: the %s has not said it", name, lacks,
                                   p.ready < 0 ? "broker" : "store");
        if (!p.missing)
                json_object_set_new(queues, name, picture_json(&p));
        return 0;
}

static void show_answer_queues(struct show *s, struct exchange *x)
{
        struct problem why;
        JSON_OWNED json_t *queues = json_object();
        for (size_t i = 0; fleet_queue_name(s->fleet, i); i++)
                if (show_wants(x, fleet_queue_name(s->fleet, i)) && show_add_queue(s, i, queues, &why)) {
                        exchange_answer_problem(x, &why);
                        return;
                }
        if (target_value(exchange_target(x), "queue") && json_object_size(queues) == 0) {
                problem_set(&why, "request", "not_found", "no queue of that name is there, or no task here uses it");
                exchange_answer_problem(x, &why);
                return;
        }
        JSON_OWNED json_t *answer = json_pack("{s:O}", "queues", queues);
        exchange_answer_json(x, 200, answer);
}

void show_queues(void *show, struct exchange *x)
{
        show_after_look((struct show *)show, x, show_answer_queues);
}

/* ---- probes ---- */

static void show_alive(void *show, struct exchange *x)
{
        (void)show;
        JSON_OWNED json_t *answer = json_pack("{s:s}", "status", "alive");
        exchange_answer_json(x, 200, answer);
}

static void show_ready(void *show, struct exchange *x)
{
        const struct show *s = (const struct show *)show;
        const char *why = "";
        const bool ready = s->config.ready(&why, s->config.arg);
        JSON_OWNED json_t *answer =
                ready ? json_pack("{s:s}", "status", "ready") : json_pack("{s:s, s:s}", "status", "away", "why", why);
        exchange_answer_json(x, ready ? 200 : 503, answer);
}

static bool show_is_ready(void *arg)
{
        const struct show *s = (const struct show *)arg;
        const char *ignored;
        return s->config.ready(&ignored, s->config.arg);
}

/* ---- opening and closing ---- */

static int show_open_fleet(struct show *s)
{
        const struct show_config *c = &s->config;
        const struct fleet_config fleet = {
                .loop = c->loop,
                .broker = c->broker,
                .store = c->store,
                .queues = s->queues,
                .queue_count = catalog_queues(c->catalog, s->queues, SHOW_QUEUES),
        };
        const int code = fleet_open(&s->fleet, &fleet);
        if (code == 0 && c->fleet) {
                s->collector.collect = show_fleet_collect;
                metrics_collect_by(meter_metrics(c->meter), &s->collector);
        }
        return code;
}

int show_open(struct show **out, const struct show_config *config)
{
        struct show *s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->config = *config;
        int code = door_meter_open(&s->doors, config->meter, config->broker, config->store, show_is_ready, s);
        if (code == 0)
                code = show_open_fleet(s);
        if (code) {
                show_close(s);
                return code;
        }
        *out = s;
        return 0;
}

bool show_where(const char *text, char out[80])
{
        char address[64], port[8];
        const bool bare = text[strspn(text, "0123456789")] == '\0';
        const int size = snprintf(out, 80, bare ? "127.0.0.1:%s" : *text == ':' ? "127.0.0.1%s" : "%s", text);
        return size < 80 && listen_parts(out, address, port);
}

int show_listen(struct show *s, const char *listen, struct problem *why)
{
        static const struct route routes[] = {
                { "GET", "/metrics", show_metrics, NULL, NULL, NULL, "", NULL },
                { "GET", "/stats/queues", show_queues, show_queues_params, NULL, NULL, "", NULL },
                { "GET", "/healthz", show_alive, NULL, NULL, NULL, "", NULL },
                { "GET", "/readyz", show_ready, NULL, NULL, NULL, "", NULL },
                { 0 },
        };
        char at[80], address[64], port[8];
        if (!show_where(listen, at))
                return problem_set(why, "settings", "bad_address", "--metrics: \"%.60s\" is no ADDRESS:PORT", listen);
        listen_parts(at, address, port);
        const struct server_config server = {
                .loop = s->config.loop,
                .listen = at,
                .hosts = host_is_loopback(address)
                                 ? ""
                                 : "*", /* who names an address for others lets them call it as they like */
                .connections = SHOW_CONNECTIONS,
                .body_most = SHOW_BODY,
                .routes = routes,
                .owner = s,
        };
        const int code = server_open(&s->server, &server, why);
        if (code == 0)
                log_info("metrics", "shown at http://%s, port %u", at, server_port(s->server));
        return code;
}

void show_use(struct show *s, struct broker *broker)
{
        fleet_use(s->fleet, broker);
        door_meter_use(s->doors, broker);
}

void show_close(struct show *s)
{
        if (!s)
                return;
        fleet_close(s->fleet);
        server_close(s->server);
        door_meter_close(s->doors);
        free(s);
}
