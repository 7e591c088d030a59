/* SPDX-License-Identifier: Apache-2.0 */
/* What a program can do: its tasks, made ready, its pipelines and the data of their domains. Built once, handed to whoever needs it;
 * another can be built beside it while runs keep the one that they began with. Constant once built: any thread may read. */
#ifndef CHARD_CATALOG_H
#define CHARD_CATALOG_H

#include "core/problem.h"
#include "pipelines/pipeline.h"
#include "tasks/domain.h"

struct catalog;

/* Borrowed for as long as the catalogue lives. */
struct catalog_source {
        const struct domain *const *domains;     /* NULL-terminated */
        const struct pipeline *const *pipelines; /* NULL-terminated */
        const char *plugins;                     /* files, separated by commas; NULL or "" = none */
};

/* Build one: read the domains' data, load the plug-ins, check every task and pipeline, make prompts and schemas ready. The caller has the
 * first reference. Returns 0; 1 with `why` (source "task", code "bad_data"; source "settings", code "bad_plugin"), which names the
 * place; or -ENOMEM. */
int catalog_new(struct catalog **out, const struct catalog_source *from, struct problem *why);

/* One reference more; `c` itself. / One less: with the last one it is given back. NULL: nothing. Any thread. */
struct catalog *catalog_ref(struct catalog *c);
void catalog_unref(struct catalog *c);

/* The task or pipeline of that name, by hash; or NULL. */
const struct task *catalog_task(const struct catalog *c, const char *name);
const struct pipeline *catalog_pipeline(const struct catalog *c, const char *name);

/* All of them: tasks in the order of their domains, those of plug-ins last; pipelines, NULL-terminated. */
const struct task_set *catalog_tasks(const struct catalog *c);
const struct pipeline *const *catalog_pipelines(const struct catalog *c);

/* The consumer of that name, or NULL. / All of them, in the order of their domains; how many in *count. */
const struct consumer *catalog_consumer(const struct catalog *c, const char *name);
const struct consumer *catalog_consumers(const struct catalog *c, size_t *count);

/* The consumer whose dead letters have that queue (CONSUMER_QUEUE), or NULL. */
const struct consumer *catalog_consumer_of_queue(const struct catalog *c, const char *queue);

/* The queues of all tasks, each once, in the order of the tasks; but for those of tasks that are at home in none (TASK_ANYWHERE). Returns how
 * many, at most `most`. The names live as long as the catalogue. */
size_t catalog_queues(const struct catalog *c, const char *queues[], size_t most);

#endif
