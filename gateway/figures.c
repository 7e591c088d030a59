/* SPDX-License-Identifier: Apache-2.0 */
/* Requests as figures, and what is shown of the process and of the fleet. */
#include "gateway/own.h"
#include "observe/meter.h"
#include "observe/show.h"

#include <stddef.h>
#include <stdio.h>

/* ---- counting ---- */

static void gateway_collect(struct collector *c, struct metrics *m)
{
        const struct gateway *g = (const struct gateway *)((char *)c - offsetof(struct gateway, collector));
        if (g->server)
                series_set(METRICS_SERIES(m, METER_HTTP_CONNECTIONS, NULL), server_connections(g->server));
}

void gateway_count(struct gateway *g)
{
        g->collector.collect = gateway_collect;
        if (g->config.meter)
                metrics_collect_by(meter_metrics(g->config.meter), &g->collector);
}

/* A method and a target that no route has come from outside, and are no labels. */
void on_gateway_answered(void *owner, const struct server_answer *answer)
{
        const struct gateway *g = (const struct gateway *)owner;
        const char *route = answer->route ? answer->route->pattern : "none";
        const char *method = answer->route ? answer->route->method : "none";
        char status[16];
        traced_end(answer);
        if (!g->config.meter)
                return;
        struct metrics *m = meter_metrics(g->config.meter);
        snprintf(status, sizeof(status), "%u", answer->status);
        series_add(METRICS_SERIES(m, METER_HTTP_REQUESTS, method, route, status), 1);
        series_observe(METRICS_SERIES(m, METER_HTTP_REQUEST_SECONDS, route), (double)answer->took_us / 1e6, NULL, 0);
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
