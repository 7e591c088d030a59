/* SPDX-License-Identifier: Apache-2.0 */
/* Submitting from the command line; what one job and many share. */
#ifndef CHARD_CLI_JOBS_SUBMIT_H
#define CHARD_CLI_JOBS_SUBMIT_H

#include "cli/jobs/client.h"

struct submitter {
        struct jobs_client client;
        size_t open; /* submitted, not confirmed */
        size_t failed;
        bool print; /* each id once it is confirmed */
};

/* A jobs_submitted with the submitter as its arg: counts, prints, and says what was not confirmed and why. */
void submit_on_done(const char *id, const struct problem *why, void *arg);

/* Wait until at most `most` are open. Returns 0, or EXIT_UNREACHABLE when nothing is confirmed for `ms`. */
int submit_drain(struct submitter *s, size_t most, uint64_t ms);

/* Submit every line of standard input, each an input object, as a job. Returns the exit code. */
int submit_lines(const struct command *self, const struct settings *settings, const struct catalog *catalog,
                 const char *pipeline);

#endif
