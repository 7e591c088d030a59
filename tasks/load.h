/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of tasks_load, each for itself so that tests can give them tasks that no program should have.
 * Any thread. All return 0, or 1 with `why` (source "task", code "bad_data"), which names the task. */
#ifndef CHARD_LOAD_H
#define CHARD_LOAD_H

#include "core/problem.h"
#include "tasks/task.h"
#include "tasks/waste/taxonomy.h"

#include <jansson.h>

/* Whether the engine could run these tasks (NULL-terminated): each has a name that no other has, a queue, a deadline, a
 * back-off whose cap is not below its base, and either ask, conclude and schema, or run. */
int load_check(const struct task_def *const *tasks, struct problem *why);

/* A task's schema, with the taxonomy's lists in place of their names: a new reference in *out; NULL where it has none, or on refusal.
 * The taxonomy must have been read. */
int load_schema(const struct task_def *def, json_t **out, struct problem *why);

/* A task's prompt in a language with its marks replaced: in *out, to be freed; NULL where it has none, or on refusal. A mark is an '@' and
 * the letters, digits and '_' behind it, unless such a character is before it (as in an e-mail address) or none behind it.
 * The taxonomy must have been read. */
int load_prompt(const struct task_def *def, enum lang lang, char **out, struct problem *why);

#endif
