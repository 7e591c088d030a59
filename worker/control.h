/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine tells remote control of its work, and asks of them. Everything here takes NULL where there is no
 * such thing: a broker without Celery clients, or settings that want none. Internal to worker/; the parts are in worker/control/. */
#ifndef CHARD_WORKER_CONTROL_H
#define CHARD_WORKER_CONTROL_H

#include "worker/run/run.h"

struct control;

/* Open what the worker's config and broker have room for: *out may be NULL. Returns 0 or -ENOMEM; also then *out is to be freed. */
int control_open(struct control **out, struct worker *w);

/* Say goodbye: before the broker is closed. / Give all back: after the loop has turned once more. */
void control_stop(struct control *c);
void control_free(struct control *c);

/* Is something that must be stored not stored yet? shutdown_adjust is called when that ends. */
bool control_busy(const struct control *c);

/* A task is about to begin: STEP_CALL when it may, STEP_REVOKE when it was revoked, STEP_PAUSE when its rate limit wants it to wait
 * (run->wait_ms is set). */
enum step control_before_call(struct control *c, struct run *run);

#endif
