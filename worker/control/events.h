/* SPDX-License-Identifier: Apache-2.0 */
/* Celery's events. A worker's own (worker-online, -heartbeat, -offline) go out at once; those of tasks only when asked for
 * (`celery control enable_events`, or the setting), some together in one message, as Celery sends them. Owned by the loop thread. */
#ifndef CHARD_WORKER_CONTROL_EVENTS_H
#define CHARD_WORKER_CONTROL_EVENTS_H

#include "core/bytes.h"

#include <stdbool.h>
#include <uv.h>

struct control;
struct message;

struct events {
        struct control *control;
        bool workers;        /* the worker's own are sent */
        struct buffer batch; /* task events that wait, a JSON array without its end */
        unsigned batched;
        uv_timer_t beat, flush;
};

void events_open(struct events *e, struct control *c);

/* The bus is there: say that the worker is online, and go on with heartbeats. */
void events_joined(struct events *e);
void events_heartbeat(struct events *e);

/* Send what waits. */
void events_flush(struct events *e);

/* Say that the worker goes. The memory is given back by events_free, once the loop has closed the timers. */
void events_close(struct events *e);
void events_free(struct events *e);

/* ---- one event of a task: begin it, add to it, end it ---- */

struct buffer *events_begin(struct events *e, const char *type, const char *task_id);
void events_text(struct buffer *b, const char *key, const char *text); /* NULL is null */
void events_bytes(struct buffer *b, const char *key, struct bytes text);
void events_end(struct events *e);

#endif
