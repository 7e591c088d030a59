/* SPDX-License-Identifier: Apache-2.0 */
/* A command's view of jobs/: opens it on a loop of its own, and waits for one answer at a time. */
#ifndef CHARD_CLI_JOBS_CLIENT_H
#define CHARD_CLI_JOBS_CLIENT_H

#include "cli/common/command.h"
#include "cli/common/wait.h"
#include "jobs/jobs.h"

enum jobs_doors { JOBS_STORE = 1, JOBS_BROKER = 2, JOBS_BROKER_OPTIONAL = 6 /* one out of reach is done without */ };

struct jobs_client {
        const struct command *self;
        struct wait wait;
        struct jobs *jobs;
        const struct catalog *catalog;
        struct catalog *made; /* owned: the same, or NULL */
        json_t *value;        /* owned; the last answer, or NULL */
        bool failed;          /* the last answer was `why` */
        struct problem why;
};

/* Open the doors (jobs_doors, or'ed) that the settings name; `catalog` is what the program can do, NULL: it is made here. Returns 0, or an exit code after saying why. Close it in each case. */
int jobs_client_open(struct jobs_client *c, const struct command *self, const struct settings *s,
                     const struct catalog *catalog, unsigned doors);
void jobs_client_close(struct jobs_client *c);

/* A json_done with the client as its arg, and waiting for it. Returns 0, or an exit code after saying why. */
void jobs_client_on_value(json_t *value, const struct problem *why, void *arg);
int jobs_client_wait(struct jobs_client *c, uint64_t ms);

#endif
