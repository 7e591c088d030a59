/* SPDX-License-Identifier: Apache-2.0 */
/* The span of an event that was acted on. Loop thread. */
#ifndef CHARD_CONSUMERS_SPANS_H
#define CHARD_CONSUMERS_SPANS_H

#include "consumers/batch.h"

/* What became of it is stored. One that only waits behind another was not acted on, and has none. `system`: a constant, where the event came from. */
void heard_end_span(struct heard *h, const struct consumer_def *def, const char *system);

#endif
