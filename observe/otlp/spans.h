/* SPDX-License-Identifier: Apache-2.0 */
/* Makes spans of what happens to runs: a worker's tracer, and an observer of it. Loop thread. */
#ifndef CHARD_OBSERVE_OTLP_SPANS_H
#define CHARD_OBSERVE_OTLP_SPANS_H

#include "observe/otlp/export.h"
#include "observe/otlp/sampling.h"
#include "worker/observe.h"

struct spans;

struct spans_config {
        struct otlp *otlp;  /* borrowed until the end */
        const char *system; /* messaging.system: "rabbitmq", "sqlite"; constant */
        struct sampling sampling;
        uint64_t
                slow_ms; /* whose task took as long, from its receipt to its ack, is kept whatever its sampling says; 0 = none is */
};

/* 0 or -ENOMEM. */
int spans_open(struct spans **out, const struct spans_config *config);

/* To be handed to a worker, both. */
struct observer *spans_observer(struct spans *s);
struct tracer *spans_tracer(struct spans *s);

/* After the worker is closed. NULL: nothing. */
void spans_close(struct spans *s);

#endif
