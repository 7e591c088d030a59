/* SPDX-License-Identifier: Apache-2.0 */
/* What the consumers of a process did, as figures, and how far behind they are: the store is asked every few seconds, where there is a meter. Loop thread. */
#ifndef CHARD_CONSUMERS_FIGURES_H
#define CHARD_CONSUMERS_FIGURES_H

#include "consumers/consuming.h"
#include "observe/meter.h"

struct consumer_figures;

/* Count in `meter` what these do; they and the store are borrowed until the end. Returns 0 or -ENOMEM. */
int consumer_figures_open(struct consumer_figures **out, uv_loop_t *loop, struct meter *meter, struct store *store,
                          const struct consuming *list, size_t count);

/* The marked events of its batch were acted on, put aside or filed, in one step that took so long. `meter` NULL: nobody counts. */
void consumer_count_step(struct meter *meter, const struct consuming *c, uint64_t took_us);

/* After the store was closed. The loop must turn until it is idle. NULL: nothing. */
void consumer_figures_close(struct consumer_figures *f);

#endif
