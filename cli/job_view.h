/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a job from the store and showing it to people; what `job` and `submit --wait` share. */
#ifndef CHARD_CLI_JOB_VIEW_H
#define CHARD_CLI_JOB_VIEW_H

#include "cli/command.h"
#include "store/store.h"

#include <jansson.h>

struct job_view {
        struct wait *wait;
        struct store *store;
        json_t *job; /* owned; the last answer, NULL when there is no such job (yet) */
        struct problem why;
        bool failed;
        char *progress; /* owned; what was last shown of it */
};

/* Open the store on the wait's loop. Returns 0, or an exit code after saying why. */
int job_view_open(struct job_view *v, const struct command *self, const struct settings *s, struct wait *wait);

/* Read the job again into v->job; waits up to `ms`. Returns 0, or an exit code after saying why. */
int job_view_read(struct job_view *v, const struct command *self, const char *id, uint64_t ms);

/* Has it succeeded or failed? */
bool job_view_ended(const struct job_view *v);

/* On a terminal: one line on stderr for each task whose state has changed since the last call. */
void job_view_progress(struct job_view *v);

/* Print the job on stdout: for people, or as one JSON object {"id","pipeline","state","document","error"}. */
void job_view_print(const struct job_view *v);
void job_view_print_json(const json_t *job, bool whole);

/* EXIT_DONE when it succeeded or still runs, EXIT_FAILED when it failed. */
int job_view_exit_code(const struct job_view *v);

void job_view_close(struct job_view *v);

#endif
