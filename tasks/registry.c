/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/task.h"

#include <string.h>

/* Every task that this binary knows: one line each, the name of its constant. */
#define TASKS(task)                                                                                                  \
        task(scan_vision) task(scan_answer) task(scan_reward) task(chat_classify) task(chat_answer) task(my_profile) \
                task(chard_echo) task(chard_note)

#define DECLARE(task) extern const struct task_def task;
#define ENTER(task)   &task,

TASKS(DECLARE)

const struct task_def *const task_registry[] = { TASKS(ENTER) NULL };

const struct task_def *task_find(const char *name)
{
        for (const struct task_def *const *t = task_registry; *t; t++)
                if (strcmp((*t)->name, name) == 0)
                        return *t;
        return NULL;
}
