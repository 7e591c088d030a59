/* SPDX-License-Identifier: Apache-2.0 */
/* Which task follows which, and starting a job. */
#ifndef CHARD_PIPELINE_H
#define CHARD_PIPELINE_H

#include "core/problem.h"
#include "message/message.h"
#include "tasks/task.h"

#include <jansson.h>

#define PIPELINE_MAX_STEPS 8

struct pipeline {
        const char *name;      /* "scan" */
        const char *exchange;  /* its domain's topic exchange: "scan.commands" */
        const char *steps[PIPELINE_MAX_STEPS + 1]; /* task names, NULL-terminated */
        const char *const *required; /* input keys that must be there */
};

/* All pipelines, NULL-terminated. */
extern const struct pipeline *const pipeline_registry[];

/* The pipeline of that name, or NULL. */
const struct pipeline *pipeline_find(const char *name);

/* The pipeline that has `task` as a step, or NULL. */
const struct pipeline *pipeline_of_task(const char *task);

/* Build the message that starts a job from its input (an object); writes the job's id (= its first task's id).
 * Returns 0; 1 with `why` (source "pipeline", code "bad_input"): which key is missing or of which wrong type; or -ENOMEM. */
int pipeline_start(const struct pipeline *p, const json_t *input, char job_id[37], struct message **out, struct problem *why);

/* The document that a task works on: a later task's first positional argument, or, for a chain's first task, a fresh
 * {"job": {"id", "pipeline", "user_id", "lang"}, "input": kwargs} from its keyword arguments. New reference in *out.
 * Returns 0; 1 with `why` (source "task", code "bad_document", "bad_arguments"); or -ENOMEM. */
int pipeline_document(const struct task_message *task, json_t **out, struct problem *why);

#endif
