/* SPDX-License-Identifier: Apache-2.0 */
/* Requests as figures, and what is shown of the process and of the fleet. */
#include "gateway/own.h"
#include "observe/show.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- counting ---- */

struct counting {
        struct collector collector; /* first */
        const struct gateway *gateway;
        struct metrics *metrics;
};

static void counting_collect(struct collector *c, struct metrics *m)
{
        const struct gateway *g = ((const struct counting *)c)->gateway;
        if (g->server)
                series_set(METRICS_SERIES(m, METER_HTTP_CONNECTIONS, NULL), server_connections(g->server));
}

int counting_open(struct gateway *g)
{
        if (!g->config.meter)
                return 0;
        g->counting = malloc(sizeof(*g->counting));
        if (!g->counting)
                return -ENOMEM;
        *g->counting = (struct counting){ .collector.collect = counting_collect,
                                          .gateway = g,
                                          .metrics = meter_metrics(g->config.meter) };
        metrics_collect_by(g->counting->metrics, &g->counting->collector);
        return 0;
}

void counting_close(struct counting *c)
{
        free(c);
}

/* A method and a target that no route has come from outside, and are no labels. */
void on_gateway_answered(void *owner, const struct server_answer *answer)
{
        const struct gateway *g = (const struct gateway *)owner;
        const char *route = answer->route ? answer->route->pattern : "none";
        const char *method = answer->route ? answer->route->method : "none";
        char status[16];
        if (!g->counting)
                return;
        snprintf(status, sizeof(status), "%u", answer->status);
        series_add(METRICS_SERIES(g->counting->metrics, METER_HTTP_REQUESTS, method, route, status), 1);
        series_observe(METRICS_SERIES(g->counting->metrics, METER_HTTP_REQUEST_SECONDS, route),
                       (double)answer->took_us / 1e6, NULL, 0);
}

/* ---- showing ---- */

static bool figures_are_there(const struct gateway *g, struct exchange *x)
{
        struct problem why;
        if (g->show)
                return true;
        problem_set(&why, "gateway", "no_figures", "nothing is counted yet: try again");
        exchange_answer_problem(x, &why);
        return false;
}

void gateway_metrics(void *owner, struct exchange *x)
{
        const struct gateway *g = (const struct gateway *)owner;
        if (figures_are_there(g, x))
                show_metrics(g->show, x);
}

void gateway_queues(void *owner, struct exchange *x)
{
        const struct gateway *g = (const struct gateway *)owner;
        if (figures_are_there(g, x))
                show_queues(g->show, x);
}

void gateway_show(struct gateway *g, struct show *show)
{
        g->show = show;
}
