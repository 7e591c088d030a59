/* SPDX-License-Identifier: Apache-2.0 */
/* Is the process alive, and can it take work? */
#include "core/json.h"
#include "gateway/own.h"
#include "store/store.h"

void probe_health(void *owner, struct exchange *x)
{
        (void)owner;
        JSON_OWNED json_t *alive = json_pack("{s:s}", "status", "alive");
        exchange_answer_json(x, 200, alive);
}

static json_t *probe_part(bool up, const char *why)
{
        return up ? json_pack("{s:b}", "up", 1) : json_pack("{s:b, s:s}", "up", 0, "why", *why ? why : "not answering");
}

/* What is submitted while the broker is away waits in the store: without that nothing can be promised. */
bool gateway_ready(const struct gateway *g, const char **why)
{
        const struct store *s = jobs_store(g->jobs);
        *why = g->stopping ? "stopping" : s->backend->up(s) ? "" : "store: not answering, so nothing can be promised";
        return !**why;
}

void probe_ready(void *owner, struct exchange *x)
{
        const struct gateway *g = (const struct gateway *)owner;
        const struct store *s = jobs_store(g->jobs);
        struct broker_health b;
        const char *why;
        broker_health(jobs_broker(g->jobs), &b);
        const bool ready = gateway_ready(g, &why), broker = broker_health_takes(&b);
        JSON_OWNED json_t *answer =
                json_pack("{s:s, s:o, s:o}", "status",
                          g->stopping ? "stopping"
                          : !ready    ? "away"
                          : broker    ? "ready"
                                      : "degraded",
                          "broker", probe_part(broker, b.why), "store", probe_part(s->backend->up(s), ""));
        exchange_answer_json(x, ready ? 200 : 503, answer);
}
