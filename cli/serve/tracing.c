/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve/tracing.h"

#include "observe/meter.h"
#include "observe/otlp/logs.h"
#include "observe/otlp/spans.h"
#include "worker/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One kind of what is sent. */
struct tracing_signal {
        const char *what, *path, *endpoint, *exporter; /* of a message, of the base URL; variables */
};

static const struct tracing_signal tracing_spans = { "spans", "/v1/traces", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                                                     "OTEL_TRACES_EXPORTER" };
static const struct tracing_signal tracing_lines = { "log lines", "/v1/logs", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
                                                     "OTEL_LOGS_EXPORTER" };

/* What the environment says, or "". */
static const char *tracing_env(const char *name)
{
        const char *value = getenv(name);
        return value ? value : "";
}

static char *tracing_below(const char *base, const char *path)
{
        char *url = NULL;
        size_t size = strlen(base);
        while (size > 0 && base[size - 1] == '/')
                size--;
        return asprintf(&url, "%.*s%s", (int)size, base, path) < 0 ? NULL : url;
}

/* Where they go; "": nowhere. NULL: memory ran out. The caller's. Source: OpenTelemetry, "OTLP Exporter Configuration" and "Environment Variables". */
static char *tracing_url(const struct settings *s, const struct tracing_signal *signal)
{
        const char *own = tracing_env(signal->endpoint), *all = tracing_env("OTEL_EXPORTER_OTLP_ENDPOINT");
        if (*s->otlp_url)
                return tracing_below(s->otlp_url, signal->path);
        if (strcasecmp(tracing_env("OTEL_SDK_DISABLED"), "true") == 0 ||
            strcmp(tracing_env(signal->exporter), "none") == 0)
                return strdup("");
        return *own ? strdup(own) : *all ? tracing_below(all, signal->path) : strdup("");
}

/* A collector that takes spans need not take these: they are asked for. */
static bool tracing_wants_lines(const struct settings *s)
{
        return s->otlp_logs || strcmp(tracing_env("OTEL_LOGS_EXPORTER"), "otlp") == 0 ||
               *tracing_env("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT");
}

static const char *tracing_or(const char *first, const char *otherwise)
{
        return *first ? first : otherwise;
}

/* Where there is an address. */
static int tracing_open(struct otlp **out, const struct tracing_signal *signal, const struct settings *s,
                        uv_loop_t *loop, const char *name, struct problem *why)
{
        char *url = tracing_url(s, signal);
        if (!url)
                return -ENOMEM;
        const struct otlp_config otlp = {
                .loop = loop,
                .what = signal->what,
                .url = url,
                .headers = tracing_or(s->otlp_headers, tracing_env("OTEL_EXPORTER_OTLP_HEADERS")),
                .service = tracing_or(tracing_env("OTEL_SERVICE_NAME"), "chard"),
                .instance = name,
                .resource = tracing_env("OTEL_RESOURCE_ATTRIBUTES"),
        };
        const int code = *url ? otlp_open(out, &otlp, why) : 0;
        free(url);
        return code;
}

static void tracing_collect(struct collector *c, struct metrics *m)
{
        const struct tracing *t = (const struct tracing *)c;
        const struct otlp_counts spans = t->source.otlp ? otlp_counts(t->source.otlp) : (struct otlp_counts){ 0 };
        const struct otlp_counts lines = t->lines ? otlp_counts(t->lines) : (struct otlp_counts){ 0 };
        if (t->source.otlp) {
                series_set(METRICS_SERIES(m, METER_SPANS, "sent"), (double)spans.sent);
                series_set(METRICS_SERIES(m, METER_SPANS, "dropped"), (double)spans.dropped);
        }
        if (t->lines) {
                series_set(METRICS_SERIES(m, METER_LOG_LINES, "sent"), (double)lines.sent);
                series_set(METRICS_SERIES(m, METER_LOG_LINES, "dropped"), (double)lines.dropped);
        }
}

static int tracing_open_lines(struct tracing *t, const struct settings *s, uv_loop_t *loop, const char *name,
                              struct problem *why)
{
        if (!tracing_wants_lines(s))
                return 0;
        const int code = tracing_open(&t->lines, &tracing_lines, s, loop, name, why);
        if (code || t->lines)
                return code ? code : otlp_logs_open(&t->logs, loop, t->lines);
        return s->otlp_logs ? problem_set(why, "settings", "bad_setting",
                                          "CHARD_OTLP_LOGS: say where the collector is, with CHARD_OTLP_URL")
                            : 0;
}

/* The share of traces that nobody else has decided about: chard goes by the parent's decision whichever sampler is named, and keeps all where none is that it knows, as the default is.
 * Source: OpenTelemetry, "Environment Variable Specification", OTEL_TRACES_SAMPLER. */
static const char *tracing_share(const struct settings *s)
{
        static const char parent_based[] = "parentbased_";
        const char *sampler = tracing_env("OTEL_TRACES_SAMPLER"), *share = tracing_env("OTEL_TRACES_SAMPLER_ARG");
        struct sampling ignored;
        if (*s->trace_sample)
                return s->trace_sample;
        if (strncmp(sampler, parent_based, sizeof(parent_based) - 1) == 0)
                sampler += sizeof(parent_based) - 1;
        if (strcmp(sampler, "always_off") == 0)
                return "0";
        return strcmp(sampler, "traceidratio") == 0 && sampling_read(share, &ignored) ? share : "1";
}

int tracing_begin(struct tracing *t, const struct settings *s, uv_loop_t *loop, const char *name, struct meter *meter,
                  struct problem *why)
{
        t->source = (struct span_source){ .system = strncmp(s->broker_url, "amqp", 4) == 0 ? "rabbitmq" : "chard",
                                          .slow_ms = (uint64_t)s->trace_slow_ms };
        if (!sampling_read(tracing_share(s), &t->source.sampling))
                return problem_set(why, "settings", "bad_setting", "CHARD_TRACE_SAMPLE must be a number from 0 to 1");
        int code = tracing_open(&t->source.otlp, &tracing_spans, s, loop, name, why);
        if (code == 0)
                code = tracing_open_lines(t, s, loop, name, why);
        t->collector.collect = tracing_collect;
        if (code == 0 && meter && (t->source.otlp || t->lines))
                metrics_collect_by(meter_metrics(meter), &t->collector);
        return code;
}

const struct span_source *tracing_source(const struct tracing *t)
{
        return t->source.otlp ? &t->source : NULL;
}

int tracing_of_worker(struct tracing *t, struct worker_config *config)
{
        const int code = t->source.otlp ? spans_open(&t->spans, &t->source) : 0;
        if (code || !t->spans)
                return code;
        config->tracer = spans_tracer(t->spans);
        struct observer *o = spans_observer(t->spans);
        o->next = config->observers;
        config->observers = o;
        return 0;
}

void tracing_end(struct tracing *t)
{
        spans_close(t->spans);
        otlp_close(t->source.otlp);
        otlp_logs_close(t->logs);
        otlp_close(t->lines);
        *t = (struct tracing){ 0 };
}
