/* SPDX-License-Identifier: Apache-2.0 */
/* Makes spans of what happens to runs: a worker's tracer, and an observer of it. Loop thread. */
#ifndef CHARD_OBSERVE_OTLP_SPANS_H
#define CHARD_OBSERVE_OTLP_SPANS_H

#include "observe/otlp/live.h"
#include "worker/observe.h"

struct spans;

/* `source` is copied. 0 or -ENOMEM. */
int spans_open(struct spans **out, const struct span_source *source);

/* To be handed to a worker, both. */
struct observer *spans_observer(struct spans *s);
struct tracer *spans_tracer(struct spans *s);

/* After the worker is closed. NULL: nothing. */
void spans_close(struct spans *s);

#endif
