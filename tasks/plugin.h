/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks that were compiled outside this tree against include/chard.h: loaded from shared objects, checked, and put
 * behind the same struct task_def as those inside. They stay loaded until the process ends. */
#ifndef CHARD_PLUGIN_H
#define CHARD_PLUGIN_H

#include "core/problem.h"
#include "include/chard.h"
#include "tasks/task.h"

/* Load the tasks of each of these files (comma-separated paths) into the registry. Before tasks_load and before other threads start.
 * Returns 0; 1 with `why` (source "settings", code "bad_plugin"), which names the file and the fault: nothing of that file was
 * added; or -ENOMEM. */
int plugins_load(const char *files, struct problem *why);

/* Check what a file exports, before any of it is used: `is_known` says whether a name is taken. Pure.
 * Returns 0, or 1 with `why` as above. */
int plugin_check(const char *file, const struct chard_plugin *p, const struct task_def *(*is_known)(const char *name),
                 struct problem *why);

/* What a plug-in's function may use while it runs. Each task has one as long as the process lives, so that what a plug-in keeps of it beyond the
 * call can be told apart. */
struct plugin_call {
        struct chard_input input; /* what the plug-in sees of it */
        struct chard_request request;
        struct chard_reply reply;
        struct chard_outcome outcome;
        const struct task_input *in;
        struct ai_request *asked;        /* in ask */
        const struct ai_reply *answered; /* in conclude */
        struct outcome *out;             /* in conclude and run */
        struct problem *why;
};

/* One loaded task as the engine sees it: its functions call the plug-in's, which `theirs` describes. */
struct plugin_task {
        struct task_def def; /* first: this is what the registry holds */
        const struct chard_task *theirs;
        struct plugin_call *call; /* as long as the process */
};

/* `call` may be NULL when it is only to be looked at. */
void plugin_task_fill(struct plugin_task *t, const struct chard_task *from, struct plugin_call *call);

#endif
