/* SPDX-License-Identifier: Apache-2.0 */
/* Counts and measures runs: an observer of a worker that feeds its process's figures. Loop thread. */
#ifndef CHARD_OBSERVE_RUNS_H
#define CHARD_OBSERVE_RUNS_H

#include "observe/meter.h"
#include "worker/observe.h"

struct run_meter;

/* For one worker. Returns 0 or -ENOMEM. */
int run_meter_open(struct run_meter **out, struct meter *meter);

/* To be added to the worker's. */
struct observer *run_meter_observer(struct run_meter *m);

/* A task that the worker may be given: its figures are shown from now on, as zeros. */
void run_meter_expect(struct run_meter *m, const char *task, const char *queue);

/* After the worker is closed. NULL: nothing. */
void run_meter_close(struct run_meter *m);

#endif
