/* SPDX-License-Identifier: Apache-2.0 */
/* Where the spans of a process that serves go, and the lines of its log if that is wanted, where the settings or the environment name a collector. */
#ifndef CHARD_CLI_SERVE_TRACING_H
#define CHARD_CLI_SERVE_TRACING_H

#include "core/metrics/metrics.h"
#include "core/problem.h"
#include "core/settings/settings.h"
#include "observe/otlp/live.h"

#include <uv.h>

struct meter;
struct otlp_logs;
struct spans;
struct worker_config;

/* Zero-initialised: nobody asked for any. */
struct tracing {
        struct collector collector; /* of what was sent, and dropped */
        struct span_source source;  /* whose exporter is NULL where there is no collector */
        struct spans *spans;        /* of a worker */
        struct otlp *lines;         /* where lines of the log go; or NULL */
        struct otlp_logs *logs;
};

/* Before the parts are opened. `name` is the instance's; `meter`: who counts spans, or NULL. 0; 1 with `why`; or -errno. */
int tracing_begin(struct tracing *t, const struct settings *s, uv_loop_t *loop, const char *name, struct meter *meter,
                  struct problem *why);

/* For the parts; NULL: nobody asked for spans. */
const struct span_source *tracing_source(const struct tracing *t);

/* A worker that will be opened makes some: its config is changed. 0 or -ENOMEM. */
int tracing_of_worker(struct tracing *t, struct worker_config *config);

/* The parts are closed, and nobody looks at figures any more. The loop must turn until it is idle. */
void tracing_end(struct tracing *t);

#endif
