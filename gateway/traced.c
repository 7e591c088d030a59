/* SPDX-License-Identifier: Apache-2.0 */
/* A span for each request about jobs that is let in: the one that a client's own is the parent of, and all that the job does comes after. */
#include "core/clock.h"
#include "gateway/own.h"
#include "observe/otlp/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Kept by the exchange until it is answered. */
struct traced {
        struct live_span span;
        char job[JOBS_ID_SIZE]; /* which it submits; or "" */
};

/* Probes and figures are asked for all the time, and are of no trace. */
static bool traced_wants(const struct route *r)
{
        return strncmp(r->pattern, "/v1/", 4) == 0;
}

void traced_begin(const struct gateway *g, struct exchange *x)
{
        struct traced *t = g->config.spans && traced_wants(exchange_route(x)) ? calloc(1, sizeof(*t)) : NULL;
        if (!t)
                return; /* without memory there is no span */
        live_span_begin(&t->span, g->config.spans, exchange_header(x, "traceparent"));
        exchange_set_own(x, t);
}

void traced_job(const struct exchange *x, const char *id)
{
        struct traced *t = (struct traced *)exchange_own(x);
        if (!t)
                return;
        live_span_name(&t->span, id);
        snprintf(t->job, sizeof(t->job), "%s", id);
}

void traced_end(const struct server_answer *answer)
{
        struct traced *t = (struct traced *)exchange_own(answer->exchange);
        char name[128];
        if (!t)
                return;
        const struct route *r = answer->route;
        const bool failed = answer->status >= 500;
        struct otlp_attribute attributes[5] = { { .name = NAME_HTTP_METHOD, .text = r->method },
                                                { .name = NAME_HTTP_ROUTE, .text = r->pattern } };
        size_t count = 2;
        if (answer->status)
                attributes[count++] = (struct otlp_attribute){ .name = NAME_HTTP_STATUS, .number = answer->status };
        if (t->job[0])
                attributes[count++] = (struct otlp_attribute){ .name = NAME_CONVERSATION, .text = t->job };
        if (*answer->code)
                attributes[count++] = (struct otlp_attribute){ .name = NAME_ERROR_TYPE, .text = answer->code };
        snprintf(name, sizeof(name), "%s %s", r->method, r->pattern);
        live_span_end(&t->span, (struct otlp_span){ .name = name,
                                                    .kind = OTLP_SERVER,
                                                    .failed = failed,
                                                    .attributes = attributes,
                                                    .attribute_count = count });
        exchange_set_own(answer->exchange, NULL);
        free(t);
}

/* ---- what it submits ---- */

static struct bytes exchange_trace_header(const struct exchange *x, const char *name)
{
        const char *text = exchange_header(x, name);
        return text ? bytes_of_string(text) : bytes_of(NULL, 0);
}

struct trace_context exchange_trace(const struct exchange *x)
{
        const struct trace_context all = { exchange_header(x, "traceparent"), exchange_trace_header(x, "tracestate"),
                                           exchange_trace_header(x, "baggage") };
        struct trace_context fine = trace_well_formed(&all);
        const struct traced *t = (const struct traced *)exchange_own(x);
        if (t)
                fine.parent = live_span_context(&t->span, fine.parent);
        return fine;
}
