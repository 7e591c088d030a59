/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve/tracing.h"

#include "observe/meter.h"
#include "observe/otlp/spans.h"
#include "worker/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRACING_PATH "/v1/traces"

/* What the environment says, or "". */
static const char *tracing_env(const char *name)
{
        const char *value = getenv(name);
        return value ? value : "";
}

static char *tracing_below(const char *base)
{
        char *url = NULL;
        size_t size = strlen(base);
        while (size > 0 && base[size - 1] == '/')
                size--;
        return asprintf(&url, "%.*s" TRACING_PATH, (int)size, base) < 0 ? NULL : url;
}

/* Where spans go; "": nowhere. NULL: memory ran out. The caller's. Source: OpenTelemetry, "OTLP Exporter Configuration" and "Environment Variables". */
static char *tracing_url(const struct settings *s)
{
        const char *traces = tracing_env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
                   *all = tracing_env("OTEL_EXPORTER_OTLP_ENDPOINT");
        if (*s->otlp_url)
                return tracing_below(s->otlp_url);
        if (strcasecmp(tracing_env("OTEL_SDK_DISABLED"), "true") == 0 ||
            strcmp(tracing_env("OTEL_TRACES_EXPORTER"), "none") == 0)
                return strdup("");
        return *traces ? strdup(traces) : *all ? tracing_below(all) : strdup("");
}

static const char *tracing_or(const char *first, const char *otherwise)
{
        return *first ? first : otherwise;
}

static int tracing_open(struct tracing *t, const char *url, const struct settings *s,
                        const struct worker_config *config, struct problem *why)
{
        const struct otlp_config otlp = {
                .loop = config->loop,
                .url = url,
                .headers = tracing_or(s->otlp_headers, tracing_env("OTEL_EXPORTER_OTLP_HEADERS")),
                .service = tracing_or(tracing_env("OTEL_SERVICE_NAME"), "chard"),
                .instance = config->name,
                .resource = tracing_env("OTEL_RESOURCE_ATTRIBUTES"),
        };
        struct spans_config spans = { .system = strncmp(config->broker_urls, "amqp", 4) == 0 ? "rabbitmq" : "chard",
                                      .slow_ms = (uint64_t)s->trace_slow_ms };
        if (!sampling_read(s->trace_sample, &spans.sampling))
                return problem_set(why, "settings", "bad_setting", "CHARD_TRACE_SAMPLE must be a number from 0 to 1");
        const int code = otlp_open(&t->otlp, &otlp, why);
        spans.otlp = t->otlp;
        return code ? code : spans_open(&t->spans, &spans);
}

static void tracing_collect(struct collector *c, struct metrics *m)
{
        const struct tracing *t = (const struct tracing *)c;
        const struct otlp_counts counts = otlp_counts(t->otlp);
        series_set(METRICS_SERIES(m, METER_SPANS, "sent"), (double)counts.sent);
        series_set(METRICS_SERIES(m, METER_SPANS, "dropped"), (double)counts.dropped);
}

int tracing_begin(struct tracing *t, const struct settings *s, struct worker_config *config, struct meter *meter,
                  struct problem *why)
{
        char *url = tracing_url(s);
        if (!url)
                return -ENOMEM;
        const int code = *url ? tracing_open(t, url, s, config, why) : 0;
        free(url);
        if (code || !t->otlp)
                return code;
        config->tracer = spans_tracer(t->spans);
        struct observer *o = spans_observer(t->spans);
        o->next = config->observers;
        config->observers = o;
        t->collector.collect = tracing_collect;
        if (meter)
                metrics_collect_by(meter_metrics(meter), &t->collector);
        return 0;
}

void tracing_end(struct tracing *t)
{
        spans_close(t->spans);
        otlp_close(t->otlp);
        *t = (struct tracing){ 0 };
}
