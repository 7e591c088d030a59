/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TASK(task) extern const struct task_def task;
#include "tasks/tasks.list"
#undef TASK

#define TASK(task) &task,
static const struct task_def *const listed[] = {
#include "tasks/tasks.list"
        NULL
};
#undef TASK

/* Written by registry_add alone, while the process has one thread. */
const struct task_def *const *task_registry = listed;

int registry_add(const struct task_def *def)
{
        size_t count = 0;
        while (task_registry[count])
                count++;
        const struct task_def **more = calloc(count + 2, sizeof(struct task_def *));
        if (!more)
                return -ENOMEM;
        memcpy(more, task_registry, count * sizeof(struct task_def *));
        more[count] = def;
        if (task_registry != listed)
                free((void *)task_registry);
        task_registry = more;
        return 0;
}

const struct task_def *task_find(const char *name)
{
        for (const struct task_def *const *t = task_registry; *t; t++)
                if (strcmp((*t)->name, name) == 0)
                        return *t;
        return NULL;
}

static bool is_listed(const char *queue, const char *const queues[], size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (strcmp(queues[i], queue) == 0)
                        return true;
        return false;
}

size_t task_queues(const char *queues[], size_t most)
{
        size_t count = 0;
        for (const struct task_def *const *t = task_registry; *t && count < most; t++)
                if (strcmp((*t)->queue, "celery") != 0 && !is_listed((*t)->queue, queues, count))
                        queues[count++] = (*t)->queue;
        return count;
}
