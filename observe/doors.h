/* SPDX-License-Identifier: Apache-2.0 */
/* How a process's broker and store fare, and whether it is ready. Loop thread. */
#ifndef CHARD_OBSERVE_DOORS_H
#define CHARD_OBSERVE_DOORS_H

#include "observe/meter.h"

#include <stdbool.h>

struct broker;
struct store;
struct door_meter;

/* Both are borrowed; either may be NULL. `ready` says at each look whether the process does what it is for. Returns 0 or -ENOMEM. */
int door_meter_open(struct door_meter **out, struct meter *meter, struct broker *broker, struct store *store,
                    bool (*ready)(void *arg), void *arg);

/* The broker is there now. */
void door_meter_use(struct door_meter *m, struct broker *broker);

/* Once nobody looks any more. NULL: nothing. */
void door_meter_close(struct door_meter *m);

#endif
