/* SPDX-License-Identifier: Apache-2.0 */
/* The figures of one process: its registers, those of the process itself, and the parts that are added to it. Loop thread. */
#ifndef CHARD_OBSERVE_METER_H
#define CHARD_OBSERVE_METER_H

#include "observe/table.h"

#include <uv.h>

struct meter;

/* `role` ("worker", "keeper", "gateway", "dev") and `name` are what chard_build_info says. Returns 0 or -ENOMEM. */
int meter_open(struct meter **out, uv_loop_t *loop, const char *role, const char *name);

struct metrics *meter_metrics(const struct meter *m);

/* Give it back (NULL: nothing). Nothing may be counted any more. The loop must turn until it is idle. */
void meter_close(struct meter *m);

#endif
