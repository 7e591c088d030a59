/* SPDX-License-Identifier: Apache-2.0 */
/* What stands around the runs of a worker: intake, releaser, owed results, health, shutdown. Internal to worker/. */
#ifndef CHARD_WORKER_ENGINE_H
#define CHARD_WORKER_ENGINE_H

#include "broker/broker.h"

struct catalog;
struct owed_item;
struct releaser;
struct run;
struct owed_results;
struct worker;

/* ---- intake.c ---- */

/* The broker's listener, `arg` the worker: deliveries become runs, or are adopted by the run that already has their task. */
void intake_deliveries(struct delivery *list_takes, void *arg);
void intake_changed(const struct broker_health *now, void *arg);

/* Start or stop taking deliveries, whichever the state of store and worker asks for. */
void intake_adjust(struct worker *w);

/* Consume this queue too, from now on: 0 or -ENOMEM. / No longer consume it. / Take up a changed number of slots. */
int intake_add_queue(struct worker *w, const char *queue);
void intake_drop_queue(struct worker *w, const char *queue);
void intake_again(struct worker *w);

/* What intake holds of the worker. Returns 0 or -ENOMEM. */
int intake_open(struct worker *w);
void intake_close(struct worker *w);

/* One task is one run in this process. */
enum registered {
        REGISTERED_FIRST,  /* go on */
        REGISTERED_AGAIN,  /* another run has that task and goes on; this delivery was adopted by it or acked: end */
        REGISTERED_BEHIND, /* another run has that task, but this message may be what is left of it: wait for its end */
};
enum registered intake_register(struct run *run);

/* A run ends: it leaves its place, and whoever waits behind it is returned. / Those begin anew. */
struct run *intake_unregister(struct run *run);
void intake_wake(struct run *behind);

/* ---- known.c ---- */

/* From now on the log asks this worker about the tasks in its hand; one worker a process. / No more. */
void known_open(struct worker *w);
void known_close(void);

/* ---- shutdown.c ---- */

/* Called when a run has ended: goes on with the shutdown when it was the last. */
void shutdown_adjust(struct worker *w);

/* Does the broker have consumers of ours that it has not cancelled yet? */
bool shutdown_still_consuming(const struct worker *w);

/* ---- owed_results.c ---- */

int owed_results_open(struct owed_results **out, struct worker *w);
/* All of the row is stored. / The run that did it has ended. */
void owed_result_stored(struct owed_item *item);
void owed_result_ended(struct owed_item *item);
bool owed_results_busy(const struct owed_results *t);
void owed_results_stop(struct owed_results *t); /* takes no more rows */
void owed_results_close(struct owed_results *t);

/* ---- releaser.c ---- */

int releaser_open(struct releaser **out, struct worker *w);
/* A message was scheduled for `due_ms` (wall clock). */
void releaser_expect(struct releaser *r, int64_t due_ms);
/* True while a batch is between the store and the broker. */
bool releaser_busy(const struct releaser *r);
void releaser_stop(struct releaser *r); /* takes no more batches */
void releaser_close(struct releaser *r);

/* ---- health.c ---- */

/* Begin and end w->pulse and w->rates. Opening returns 0 or -ENOMEM. */
int health_open(struct worker *w);
void health_close(struct worker *w);
/* w->catalog is about to become this one: keep the counts of tasks that are in both. 0 or -ENOMEM. */
int health_use(struct worker *w, const struct catalog *catalog);

#endif
