/* SPDX-License-Identifier: Apache-2.0 */
/* Publishing the first messages of jobs; what a single submit and a bulk submit share. */
#ifndef CHARD_CLI_SUBMIT_H
#define CHARD_CLI_SUBMIT_H

#include "broker/broker.h"
#include "cli/command.h"
#include "pipelines/pipeline.h"

struct submitter {
        const struct command *self;
        struct wait *wait;
        struct broker *broker;
        size_t open; /* published, not confirmed */
        size_t failed;
};

/* Connect. Returns 0, or an exit code after saying why. */
int submitter_open(struct submitter *s, const struct command *self, const struct settings *settings, struct wait *wait);

/* Publish a job's first message (takes it); when it is confirmed its id is printed (with `print`), when not, why not. 0 or -ENOMEM. */
int submitter_publish(struct submitter *s, struct message *takes, const char *job_id, bool print);

/* Wait until at most `most` publishes are open. Returns 0, or EXIT_UNREACHABLE when nothing is confirmed for `ms`. */
int submitter_drain(struct submitter *s, size_t most, uint64_t ms);

void submitter_close(struct submitter *s);

/* Submit every line of standard input, each an input object, as a job. Returns the exit code. */
int submit_lines(const struct command *self, const struct settings *settings, const struct pipeline *pipeline);

#endif
