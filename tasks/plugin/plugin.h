/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks and consumers that were compiled outside this tree against include/chard/plugin.h: loaded from shared objects, checked, and put
 * behind the same struct task_def and consumer_def as those inside. The objects stay loaded until the process ends. */
#ifndef CHARD_TASKS_PLUGIN_PLUGIN_H
#define CHARD_TASKS_PLUGIN_PLUGIN_H

#include "core/problem.h"
#include "include/chard/plugin.h"
#include "tasks/domain.h"
#include "tasks/saga.h"

/* Whether a task of that name is there already. */
typedef bool plugin_taken(const char *name, void *arg);

/* Load the tasks and consumers of one file as a domain, to be given back with plugin_unload. Not from two threads at once.
 * Returns 0; 1 with `why` (source "settings", code "bad_plugin"), which names the file and the fault; or -ENOMEM. */
int plugin_load(const char *file, plugin_taken *taken, void *arg, struct domain **out, struct problem *why);
void plugin_unload(struct domain *d);

/* Check what a file exports, before any of it is used. Pure. Returns 0, or 1 with `why` as above. */
int plugin_check(const char *file, const struct chard_plugin *p, plugin_taken *taken, void *arg, struct problem *why);

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
        bool consumes;             /* a consumer's function: no sections, no result */
        json_t *arguments, *about; /* owned, until the function returns; NULL = not asked for */
};

/* One loaded task as the engine sees it: its functions call the plug-in's, which `theirs` describes. */
struct plugin_task {
        struct task_def def;         /* first: this is what the catalogue holds */
        struct task_prompt *prompts; /* owned; NULL = none */
        const struct chard_task *theirs;
        struct plugin_call *call; /* as long as the process */
};

/* `call` may be NULL when it is only to be looked at. Returns 0 or -ENOMEM; to be cleared either way. */
int plugin_task_fill(struct plugin_task *t, const struct chard_task *from, struct plugin_call *call);
void plugin_task_clear(struct plugin_task *t);

/* Around each call of a plug-in's function; and what it said, as the engine has it: as struct task_def's functions. The loop thread's. */
struct plugin_call *plugin_enter(const struct task_input *in, struct problem *why);
int plugin_leave(int said);
int plugin_verdict(int said, const struct task_def *def, struct problem *why);

/* One loaded consumer. */
struct plugin_consumer {
        struct consumer_def def; /* first */
        const struct chard_consumer *theirs;
        struct saga_def saga;
        struct plugin_task as; /* the task that its functions are called as: its name, its call */
};

void plugin_consumer_fill(struct plugin_consumer *p, const struct chard_consumer *from, struct plugin_call *call);

/* As plugin_check. */
int plugin_consumers_check(const char *file, const struct chard_consumers *c, struct problem *why);

#endif
