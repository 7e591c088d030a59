/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs as those see them who do not run them: submit, send, read, find, list, follow, cancel. The command line calls this; so may a gateway.
 * Everything is called on, and answered on, the loop thread; no call waits but jobs_open. An answer never comes from inside the
 * call that asked for it, except where memory runs out. */
#ifndef CHARD_JOBS_H
#define CHARD_JOBS_H

#include "broker/broker.h"
#include "catalog/catalog.h"
#include "core/problem.h"
#include "core/trace.h"
#include "store/read.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct jobs;

#define JOBS_ID_SIZE 256 /* of a task's id, as messages carry it, with its end */

/* Borrowed for the length of jobs_open. A door whose URL is NULL is not opened: what needs it then answers with code "no_broker" or "no_store". */
struct jobs_config {
        uv_loop_t *loop;
        const struct catalog *catalog;            /* what can be submitted; it must live until jobs_close */
        const char *broker_urls, *broker_ca_file; /* as in struct broker_config */
        const char *store_url;
        const char *name; /* what broker and store show of this client */
        unsigned heartbeat_s, connect_timeout_ms;
        bool broker_optional; /* one that can't be reached counts as not open */
};

/* Connect. Waits up to connect_timeout_ms for each door. Returns 0; 1 with `why` as broker_open and store_open say it; or -errno. */
int jobs_open(struct jobs **out, const struct jobs_config *config, struct problem *why);

/* The same over doors that are open already; takes neither: they must stay open until after jobs_close. Either may be NULL. 0 or -ENOMEM. */
int jobs_over(struct jobs **out, uv_loop_t *loop, const struct catalog *catalog, struct store *store,
              struct broker *broker);

/* Answer what is open with code "closed", end all followers, let go of the doors that jobs_open opened. The loop must turn until it is idle. */
void jobs_close(struct jobs *j);

/* The doors that it has, or NULL; borrowed until jobs_close. */
struct broker *jobs_broker(const struct jobs *j);
struct store *jobs_store(const struct jobs *j);

/* ---- submit.c, hand_over.c ---- */

/* From now on what is submitted while the broker is away, or is not confirmed within `after_ms`, goes into the store's scheduled messages, and counts as submitted once it is
 * there: a worker's releaser publishes it. It may then be published twice, under the same ids. Both doors must be open. Returns 0 or -ENOMEM. */
int jobs_outlast(struct jobs *j, unsigned after_ms);

/* The broker has confirmed the message, or the store has it (`why` is NULL); or it is not known to be safe: source "broker", code "returned" (no queue takes it), "refused", or
 * "closed" (it may or may not have been submitted); or of a job source "pipeline", code "no_blob": its input names a picture that the store does not keep. */
typedef void jobs_submitted(const char *id, const struct problem *why, void *arg);

/* A run of a pipeline, borrowed for the call. Whoever submits the same input again under the same id submits the same job. */
struct job_request {
        const char *pipeline;
        const json_t *input;        /* object */
        const char *id;             /* a UUID, or NULL: a new one is made */
        struct trace_context trace; /* headers of its message, each where it is there */
};

/* Start it. Writes the job's id at once; `done` comes after the confirm.
 * Returns 0; 1 with `why` (code "bad_input", "no_pipeline", "no_broker"; "away": after jobs_outlast, where broker and store are both away); or -errno: then `done` is not called. */
int jobs_submit(struct jobs *j, const struct job_request *request, char id[JOBS_ID_SIZE], jobs_submitted *done,
                void *arg, struct problem *why);

/* Would that be taken? Sends nothing, and returns as jobs_submit. */
int jobs_submit_check(const struct jobs *j, const struct job_request *request, struct problem *why);

/* Any task, borrowed for the call. */
struct task_request {
        const char *name;
        const char *id;              /* or NULL: a new one is made */
        const char *queue;           /* or NULL: the task's own, or the one of its name */
        const json_t *args, *kwargs; /* array, object; or NULL */
        int64_t eta_ms, expires_ms;  /* wall clock; 0 = none */
        int priority;                /* 0 … 255, or < 0: none */
        struct trace_context trace;  /* headers of the message, each where it is there */
};

/* Send one task. `id` gets its id, also where the request names one. Returns and answers as jobs_submit; 1 also with code
 * "bad_task": a name, id or queue that no message can carry. */
int jobs_send(struct jobs *j, const struct task_request *request, char id[JOBS_ID_SIZE], jobs_submitted *done,
              void *arg, struct problem *why);

/* Would that be taken? Sends nothing, and returns as jobs_send. */
int jobs_send_check(const struct jobs *j, const struct task_request *request, struct problem *why);

/* ---- read.c, look.c, trace.c, cancel.c ---- */

/* Read a job by the id of the job itself: as the store's `job` says it, or NULL when there is none. Borrowed for the length of the callback. */
void jobs_read(struct jobs *j, const char *id, json_done *done, void *arg);

/* Find a job by any id: its own, one of its tasks', a dead letter's, a scheduled message's, one in the chain of a job that still runs; or by how such an id
 * begins. Answers with the job, as jobs_read does; of a job that only waits in the schedule {"id","pipeline","state":"PENDING","scheduled":{"name","due_ms","reason"},…};
 * with an array [{"job","id","kind","name"}] when several jobs have such ids; or with NULL. An id that fits wholly counts before beginnings. */
void jobs_look(struct jobs *j, const char *text, json_done *done, void *arg);

/* As jobs_look, where it finds one job with all that the store knows of it: its member "trail" is what the store's `job_trail` says. */
void jobs_trace(struct jobs *j, const char *text, json_done *done, void *arg);

/* A page of jobs, newest first, as the store's `job_list` has it. The filter is copied. */
void jobs_list(struct jobs *j, const struct job_filter *filter, json_done *done, void *arg);

/* Cancel a job by its own id: steps that wait are revoked, one that runs ends without effect. {"state": the job's now, "revoked": how many tasks, "tasks": their ids}; a job
 * that had ended keeps its state. One that the store has not heard of is revoked for when it comes. Where a broker is open that Celery's commands go through, all
 * workers are told to stop calls that are under way, so that nobody pays for them longer; the answer comes when the broker has that command, or at once where the broker is away. */
void jobs_cancel(struct jobs *j, const char *id, json_done *done, void *arg);

/* Does a live worker consume this task's queue? {"consumed": bool, "workers": how many live ones there are}. */
void jobs_consumed(struct jobs *j, const char *task, json_done *done, void *arg);

/* How the fleet does: {"workers": all rows, as the store's `workers` has them, "held": [{"owner","count","until"}] (tasks that run, by who holds their leases; of the ten
 * thousand oldest open jobs), "scheduled": {"count","overdue" (due for more than a minute),"oldest_due_ms"}}. */
void jobs_load(struct jobs *j, json_done *done, void *arg);

/* ---- follow.c ---- */

struct follower;

/* Borrowed for the length of the call. */
struct job_news {
        const char *job;
        uint64_t position; /* `after`, for who comes back */
        const json_t *
                step; /* {"kind": "task", "event" or "job", "task_id","name","state","attempt","at","payload",…}; NULL: no further step is there */
        bool ended; /* the step is an end of the job; of no step: the last one was (an operator may still send it on) */
        const char *state; /* of no step: the one with which it ended; else NULL */
};

/* One step of a job, each once, in the order of the positions, from `after` + 1 on; then, once (and again after further steps), that the last one was an end and nothing follows it,
 * also where that is the one at `after`; or `why` (`news` is NULL) when the store can't be read: it is asked again.
 * May call anything here, jobs_unfollow of its own follower and jobs_close too. */
typedef void follow_tell(const struct job_news *news, const struct problem *why, void *arg);

/* Follow a job by its own id, from after a position on (0 = from the beginning), whether it is there already or not, until jobs_unfollow. However many follow, a process
 * asks once at a time: 15 ms after the last answer (with more than 300 jobs a little later), or where the store says when something has changed, then. Returns 0; 1 with code "no_store" in `why`; or -ENOMEM. */
int jobs_follow(struct jobs *j, const char *id, uint64_t after, follow_tell *tell, void *arg, struct follower **out,
                struct problem *why);
void jobs_unfollow(struct follower *f);

#endif
