/* SPDX-License-Identifier: Apache-2.0 */
/* What the catalogue does with each task, step by step, so that tests can give these steps tasks that no program should have.
 * Any thread. All return 0; 1 with `why` (source "task", code "bad_data"), which names the task; or -ENOMEM. */
#ifndef CHARD_LOAD_H
#define CHARD_LOAD_H

#include "core/problem.h"
#include "tasks/domain.h"
#include "tasks/task.h"

#include <jansson.h>

/* Whether the engine could run these tasks (NULL-terminated): each has a name that no other has, a queue, a deadline, a
 * back-off whose cap is not below its base, and either ask, conclude and schema, or run. */
int load_check(const struct task_def *const *tasks, struct problem *why);

/* A task's schema, with its domain's lists in place of their names: a new reference in *out; NULL where it has none, or on refusal. */
int load_schema(const struct domain *domain, const void *data, const struct task_def *def, json_t **out,
                struct problem *why);

/* Whether a provider would take a task's schema in strict mode: see ai_schema_strict. The text has the place as a JSON pointer. */
int load_strict(const struct task_def *def, const json_t *schema, struct problem *why);

/* One of its prompts with its marks replaced: in *out, to be freed; NULL on refusal. A mark is an '@' and the letters, digits and '_'
 * behind it, unless such a character is before it (as in an e-mail address) or none behind it. */
int load_prompt(const struct domain *domain, const void *data, const struct task_def *def,
                const struct task_prompt *prompt, char **out, struct problem *why);

/* Fill in task->prompts and ->schema from task->def and ->data. Also after a refusal the task is to be cleared. */
int load_task(const struct domain *domain, struct task *task, struct problem *why);

/* Give back what load_task filled in. */
void load_clear(struct task *task);

#endif
