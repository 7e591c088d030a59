/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker has in hand, and how its AI fares. Loop thread. */
#ifndef CHARD_OBSERVE_WORKER_H
#define CHARD_OBSERVE_WORKER_H

#include "observe/meter.h"

struct worker;
struct worker_meter;

/* Borrowed until the end. Returns 0 or -ENOMEM. */
int worker_meter_open(struct worker_meter **out, struct meter *meter, struct worker *worker);

/* Once nobody looks any more. NULL: nothing. */
void worker_meter_close(struct worker_meter *m);

#endif
