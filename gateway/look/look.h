/* SPDX-License-Identifier: Apache-2.0 */
/* The routes of those who look at a fleet: its workers, any id, a job's whole life. The owner is a struct gateway. Loop thread. */
#ifndef CHARD_GATEWAY_LOOK_H
#define CHARD_GATEWAY_LOOK_H

#include "core/http/exchange.h"

/* GET /v1/workers: what jobs_load says, each row with its "role" and its "status" as the metrics have them. */
void look_workers(void *owner, struct exchange *x);

/* GET /v1/find?id=: {"jobs": [{"job","id","kind","name"}]}, what has this id or one that begins so. */
extern const struct route_param look_find_params[];
void look_find(void *owner, struct exchange *x);

/* GET /v1/jobs/{id}/trace: what timeline_of says, texts included. */
void look_trace(void *owner, struct exchange *x);

#endif
