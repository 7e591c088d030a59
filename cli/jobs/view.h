/* SPDX-License-Identifier: Apache-2.0 */
/* Showing a job, as jobs_read gives it, to people; what `job` and `submit --wait` share. */
#ifndef CHARD_CLI_JOBS_VIEW_H
#define CHARD_CLI_JOBS_VIEW_H

#include "cli/common/command.h"
#include "pipelines/pipeline.h"

#include <jansson.h>
#include <stdbool.h>

/* Has it succeeded, failed or been revoked? `job` may be NULL. */
bool job_ended(const json_t *job);

/* EXIT_DONE when it succeeded or still runs, EXIT_FAILED when it failed or was revoked. */
int job_exit_code(const json_t *job);

/* On a terminal: one line on stderr when the state of a task has changed since the last call. *shown is owned by the caller: NULL at first, freed at the end. */
void job_print_progress(const json_t *job, char **shown);

/* Print all of it on stdout. */
void job_print(const json_t *job);

/* What its user asked for, which `pipeline` (or NULL) says where to find, or why it failed; then a line about each task, and how long it took. */
void job_print_answer(const json_t *job, const struct pipeline *pipeline);

/* What jobs_look answers where it did not find one job: say so on stderr, and print the jobs that there are to choose from (an array) on stdout. The exit code. */
int job_print_unfound(const struct command *self, const json_t *found, const char *text, bool json);

/* Print it on stdout as one JSON object: all of it, or {"id","pipeline","state","document","error"}. */
void job_print_json(const json_t *job, bool whole);

#endif
