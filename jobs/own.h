/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of jobs/ share. */
#ifndef CHARD_JOBS_OWN_H
#define CHARD_JOBS_OWN_H

#include "jobs/jobs.h"

struct jobs {
        uv_loop_t *loop;
        const struct catalog *catalog;
        struct store *store;
        struct broker *broker;
        bool owns; /* the doors: they are closed with it */
        bool closing;
        struct job_watch *watch;      /* follow.c's; NULL until somebody follows */
        struct cancel *cancels;       /* cancel.c's, under way */
        struct outlast *outlast;      /* hand_over.c's, or NULL */
        struct blob_wait *blob_waits; /* blobs.c's, under way */
};

/* "no_store", "no_broker": what was asked needs a door that is not open. Returns 1. */
int jobs_without(struct problem *why, const char *door);

/* Answer a json_done with why the store can't be asked; true when it has been. */
bool jobs_unstored(const struct jobs *j, json_done *done, void *arg);

/* Let those go on that are under way, without this. */
void cancels_leave(struct jobs *j);

/* Bring a message to safety, then call `done` as jobs_submit says. 0; 1 with `why` (source "store", code "away": neither broker nor store
 * would have it now); or -ENOMEM. */
int hand_over(struct jobs *j, struct message *takes, const char *id, jobs_submitted *done, void *arg,
              struct problem *why);

/* The same for a job's message, whose input may name pictures that the store keeps: they count as used from now on. 1 with `why`, or `done` with it: source "pipeline", code
 * "bad_input" for what names none, "no_blob" for one that is not kept. */
int blobs_hand_over(struct jobs *j, const struct job_request *request, struct message *takes, const char *id,
                    jobs_submitted *done, void *arg, struct problem *why);

/* Answer those that are under way. */
void blobs_leave(struct jobs *j);

/* Does it take messages now? */
bool hand_over_broker_takes(const struct broker *b);

/* Let those go on that are under way, without the store. */
void outlast_close(struct outlast *o);

/* End all followers; the memory goes once the loop has closed their timer. */
void watch_close(struct job_watch *w);

#endif
