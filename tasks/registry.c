/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/task.h"

#include <string.h>

#define TASK(task) extern const struct task_def task;
#include "tasks/tasks.list"
#undef TASK

#define TASK(task) &task,
const struct task_def *const task_registry[] = {
#include "tasks/tasks.list"
        NULL
};
#undef TASK

const struct task_def *task_find(const char *name)
{
        for (const struct task_def *const *t = task_registry; *t; t++)
                if (strcmp((*t)->name, name) == 0)
                        return *t;
        return NULL;
}
