/* SPDX-License-Identifier: Apache-2.0 */
/* What the files beside this one share. */
#ifndef CHARD_OBSERVE_CELERY_OWN_H
#define CHARD_OBSERVE_CELERY_OWN_H

#include "core/bytes.h"
#include "worker/observe.h"

struct celery_events;

/* ---- events.c: one event of a task. Begin it, add to it, end it. ---- */

struct buffer *celery_events_begin(struct celery_events *e, const char *type, const char *task_id);
void celery_events_text(struct buffer *b, const char *key, const char *text); /* NULL is null */
void celery_events_bytes(struct buffer *b, const char *key, struct bytes text);
void celery_events_end(struct celery_events *e);

/* ---- task_events.c ---- */

/* The kinds that events of tasks are made of. / This has happened to one. */
extern const unsigned task_events_wanted;
void task_events_add(struct celery_events *all, const struct run_event *e);

#endif
