/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker does, on a terminal, as it happens. */
#ifndef CHARD_CLI_LIVE_H
#define CHARD_CLI_LIVE_H

#include "worker/worker.h"

/* Print one line on standard output: a worker_config's `stepped`. `unused` is anything. */
void live_show(const struct worker_progress *p, void *unused);

#endif
