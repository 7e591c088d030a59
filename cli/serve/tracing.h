/* SPDX-License-Identifier: Apache-2.0 */
/* The spans of a worker, where the settings or the environment name a collector. */
#ifndef CHARD_CLI_SERVE_TRACING_H
#define CHARD_CLI_SERVE_TRACING_H

#include "core/metrics/metrics.h"
#include "core/problem.h"
#include "core/settings/settings.h"

#include <uv.h>

struct meter;
struct otlp;
struct spans;
struct worker_config;

/* Zero-initialised: nobody asked for any. */
struct tracing {
        struct collector collector; /* of what was sent, and dropped */
        struct otlp *otlp;
        struct spans *spans;
};

/* Before the worker is opened, whose config it changes. `name` is the instance's; `meter`: who counts spans, or NULL. 0; 1 with `why`; or -errno. */
int tracing_begin(struct tracing *t, const struct settings *s, struct worker_config *config, struct meter *meter,
                  struct problem *why);

/* The worker is closed, and nobody looks at figures any more. The loop must turn until it is idle. */
void tracing_end(struct tracing *t);

#endif
