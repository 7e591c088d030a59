/* SPDX-License-Identifier: Apache-2.0 */
/* The figures of a process that serves, and where they are shown: opened in three steps, because some of it must be there before the parts that it counts. */
#ifndef CHARD_CLI_SERVE_FIGURES_H
#define CHARD_CLI_SERVE_FIGURES_H

#include "core/problem.h"
#include "core/settings/settings.h"
#include "observe/show.h"

#include <uv.h>

struct catalog;
struct observer;
struct run_meter;
struct worker;
struct worker_meter;

/* Zero-initialised: nobody asked for any. */
struct figures {
        struct meter *meter;
        struct run_meter *runs;
        struct worker_meter *worker;
        struct show *show;
};

/* Before the parts are opened; `role` and `name` as of meter_open. 0 or -ENOMEM. */
int figures_begin(struct figures *f, uv_loop_t *loop, const char *role, const char *name);

/* Count the runs of a worker that will be opened: add the observer to its config. / It is open, and consumes these queues. 0 or -ENOMEM. */
int figures_of_runs(struct figures *f, struct observer **observers);
int figures_of_worker(struct figures *f, struct worker *worker, const struct catalog *catalog,
                      const char *const queues[], size_t count);

/* All is open: show it as `config` has it (the meter is filled in), at `listen` too unless that is empty. 0; 1 with `why`; or -errno. */
int figures_show(struct figures *f, struct show_config config, const char *listen, struct problem *why);

/* Before the parts are closed: nothing is shown any more. / After that. The loop must turn until it is idle. */
void figures_hide(struct figures *f);
void figures_end(struct figures *f);

#endif
