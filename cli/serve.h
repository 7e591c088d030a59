/* SPDX-License-Identifier: Apache-2.0 */
/* Running a worker until it is told to stop: what `chard worker` and `chard dev` share. */
#ifndef CHARD_CLI_SERVE_H
#define CHARD_CLI_SERVE_H

#include "cli/command.h"
#include "worker/worker.h"

enum { SERVE_MOST_QUEUES = 256 };

struct service {
        const struct command *self;
        uv_loop_t loop;
        uv_signal_t term, interrupt;
        const char *queues[SERVE_MOST_QUEUES]; /* point into the settings */
        char name[256];
        struct worker_config config;
        struct worker *worker;
};

/* Fill in from the settings, which must outlive it. The config may be changed until service_run. */
void service_init(struct service *s, const struct command *self, struct settings *settings);

/* Serve until SIGTERM or SIGINT has ended it. `began`, unless NULL, is called once it consumes. Returns an exit code, after saying why. */
int service_run(struct service *s, void (*began)(struct service *s));

#endif
