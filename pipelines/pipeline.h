/* SPDX-License-Identifier: Apache-2.0 */
/* Which task follows which, and starting a job. Pure besides making ids. */
#ifndef CHARD_PIPELINE_H
#define CHARD_PIPELINE_H

#include "core/id.h"
#include "core/problem.h"
#include "message/message.h"
#include "tasks/input.h"
#include "tasks/task.h"

#include <jansson.h>

#define PIPELINE_MAX_STEPS 8

struct pipeline {
        const char *name;                          /* "scan" */
        const char *path;                          /* POST /v1/PATH submits to it; NULL: its name */
        const char *exchange;                      /* its domain's topic exchange: "scan.commands" */
        const char *steps[PIPELINE_MAX_STEPS + 1]; /* task names, NULL-terminated */
        const struct input_key *input;             /* the keys it takes, ended by a NULL name */
        const char *lang; /* of its documents where the input names none: a BCP 47 tag; or NULL */
        const char *
                answer; /* where in the finished document people find what they asked for: a member of a section, "answer/user_answer"; or NULL */
};

/* All that this program ships, NULL-terminated (pipelines/shipped.c): what a catalogue is made from. */
struct domain;
extern const struct domain *const shipped_domains[];
extern const struct pipeline *const shipped_pipelines[];

/* The lists of views by which these domains' facts show in SQL, for store_migrate; NULL-terminated, one of `most` is that NULL. */
struct fact_view;
void shipped_views(const struct fact_view *lists[], size_t most);

/* Build the message that starts a job from its input (an object); writes the job's id (= its first task's id), which is `id`, or a new one where
 * that is NULL. `trace`: its headers, or NULL. The ids of its other steps are made of it, so that a message that is built again for the same id starts the same job. `set` has its tasks.
 * Returns 0; 1 with `why` (source "pipeline", code "bad_input"): which key is missing, unknown or of which wrong type; or -ENOMEM. */
int pipeline_start(const struct pipeline *p, const struct task_set *set, const json_t *input, const char *id,
                   const struct trace_context *trace, char job_id[ID_TEXT_SIZE], struct message **out,
                   struct problem *why);

/* The document that a task works on; `p` is the pipeline that has it as a step, or NULL:
 * - a pipeline's first task: {"job": {"id", "pipeline", "user_id", "lang"}, "input": {…}}, the input made of its keyword arguments and, where
 *   there is one, of a single object among its positional ones (a chain's parent may have worked out an image_url, say). Values that
 *   kombu wrapped as a uuid or the like count as their text. "lang" is the pipeline's own where the input names none;
 * - a later task: its only positional argument, the document of the task before it; it takes no keyword arguments;
 * - a task of no pipeline: such a document, or one made of any arguments ("input" = keyword arguments, "input.args" = positional ones).
 * job.id is always the message's root_id. New reference in *out, no part of which the task's own JSON shares as a container that changes.
 * Returns 0; 1 with `why` (source "task", code "bad_document", "bad_arguments"); or -ENOMEM; *out is untouched or NULL then. */
int pipeline_document(const struct task_message *task, const struct pipeline *p, json_t **out, struct problem *why);

#endif
