/* SPDX-License-Identifier: Apache-2.0 */
/* What a task's constant must hold: told at the start of the program, not by a crash at its first message. */
#include "tasks/load.h"

#include <string.h>

/* What is wrong with one task, or NULL. */
static const char *fault_of(const struct task_def *def)
{
        if (!def->queue || !def->queue[0])
                return "has no queue";
        if (def->deadline_ms == 0)
                return "has no deadline_ms";
        if (def->retry.cap_ms < def->retry.base_ms)
                return "has a retry cap_ms below its base_ms";
        if (def->ask && def->run)
                return "has both ask and run";
        if (!def->ask && !def->run)
                return "has neither ask nor run";
        if (def->ask && !def->conclude)
                return "has ask but no conclude";
        if (def->ask && !def->schema)
                return "has ask but no schema";
        if (def->run && def->conclude)
                return "has run, but also conclude, which is for replies to ask";
        if (def->run && def->schema)
                return "has run, but also a schema, which is for replies to ask";
        return NULL;
}

int load_check(const struct task_def *const *tasks, struct problem *why)
{
        for (size_t i = 0; tasks[i]; i++) {
                const char *name = tasks[i]->name;
                if (!name || !name[0])
                        return problem_set(why, "task", "bad_data", "task number %zu has no name", i + 1);
                const char *fault = fault_of(tasks[i]);
                if (fault)
                        return problem_set(why, "task", "bad_data", "task %s %s", name, fault);
                for (size_t k = 0; k < i; k++)
                        if (strcmp(tasks[k]->name, name) == 0)
                                return problem_set(why, "task", "bad_data", "two tasks are called %s", name);
        }
        return 0;
}
