/* SPDX-License-Identifier: Apache-2.0 */
/* Celery's events, for `celery events`, Flower and exporters: what a worker says of itself (worker-online, -heartbeat, -offline) goes out at once; what it
 * says of tasks only when asked for (`celery control enable_events`, or the setting), some together in one message, as Celery sends them. Loop thread.
 * Source: celery/events/ and celery/worker/state.py of Celery 5.7. */
#ifndef CHARD_OBSERVE_CELERY_EVENTS_H
#define CHARD_OBSERVE_CELERY_EVENTS_H

#include "worker/dispatcher.h"

struct celery_events;

/* Those of the worker of this name (borrowed); `at_once`: those of tasks without being asked. 0 or -ENOMEM. */
int celery_events_open(struct celery_events **out, const char *name, bool at_once);

/* To be handed to that worker. */
struct dispatcher *celery_events_dispatcher(struct celery_events *e);

/* After the worker is closed. NULL: nothing. */
void celery_events_close(struct celery_events *e);

#endif
