/* SPDX-License-Identifier: Apache-2.0 */
/* Celery's tools hear of a worker by events (`celery events`, Flower, exporters). Whoever makes those is a dispatcher, as Celery calls it: an observer of
 * runs that is told besides what remote control hears of events, and that may speak on the broker's bus. One a worker. Loop thread. */
#ifndef CHARD_WORKER_DISPATCHER_H
#define CHARD_WORKER_DISPATCHER_H

#include "worker/observe.h"

#include <stddef.h>
#include <uv.h>

struct buffer;
struct control;

/* Owned by whoever hands it to the worker, and there until that is closed. */
struct dispatcher {
        struct observer
                observer; /* first. The worker says which kinds it wants: none, until somebody asks for events of tasks */
        unsigned wants;   /* then these: RUN_BITs */
        bool at_once;     /* nobody need ask */

        /* The worker is opened, on this loop; the control is to be used until `end` has returned. */
        void (*begin)(struct dispatcher *d, struct control *c, uv_loop_t *loop);
        /* The bus is there, for the first time or again. / Somebody wants a sign of life. / Nobody wants events of tasks any more. */
        void (*joined)(struct dispatcher *d);
        void (*beat)(struct dispatcher *d);
        void (*flush)(struct dispatcher *d);
        /* The worker goes: say so, and close what was opened on the loop, which turns until it is idle. */
        void (*end)(struct dispatcher *d);
};

/* The bus's time (Lamport's clock), one later than before. */
uint64_t control_tick(struct control *c);

/* Publish JSON text as this worker's event, that nobody confirms and no disk keeps; nothing when memory ran out for it. */
void control_publish_event(struct control *c, const char *routing_key, const struct buffer *body);

/* How many tasks are being worked on. / How many have begun since the worker was opened. */
size_t control_active(const struct control *c);
uint64_t control_begun(const struct control *c);

#endif
