/* SPDX-License-Identifier: Apache-2.0 */
/* What a task's constant must hold: told at the start of the program, not by a crash at its first message. */
#include "tasks/load.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* RFC 5646, 2.1, without its registry: letters and digits, one to eight in a part. */
static bool is_tag(const char *tag)
{
        if (!isalpha((unsigned char)*tag))
                return false;
        for (size_t size; *tag; tag += size + (tag[size] == '-')) {
                size = strcspn(tag, "-");
                if (size == 0 || size > 8 || (tag[size] == '-' && tag[size + 1] == '\0'))
                        return false;
                for (size_t i = 0; i < size; i++)
                        if (!isalnum((unsigned char)tag[i]))
                                return false;
        }
        return true;
}

static const char *prompts_fault(const struct task_prompt *prompts)
{
        for (const struct task_prompt *p = prompts; p && p->lang; p++) {
                if (!is_tag(p->lang))
                        return "has a prompt whose language is no BCP 47 tag, such as \"en\"";
                if (!p->text)
                        return "has a prompt without a text";
                for (const struct task_prompt *other = prompts; other < p; other++)
                        if (strcasecmp(other->lang, p->lang) == 0)
                                return "has two prompts in one language";
        }
        return NULL;
}

static const char *sees_fault(const struct task_def *def)
{
        for (const struct task_sees *s = def->sees; s->kind; s++) {
                if (!*s->kind || !s->owner || *s->owner != '/')
                        return "sees facts without a kind, or without a JSON pointer to their owner";
                if (def->flags & (TASK_STATELESS | TASK_PLAIN))
                        return "sees facts, but has no document or keeps nothing in the store";
        }
        return NULL;
}

/* What is wrong with one task, or NULL. */
static const char *fault_of(const struct task_def *def)
{
        if (!def->queue || !def->queue[0])
                return "has no queue";
        if (def->deadline_ms == 0)
                return "has no deadline_ms";
        if (def->time_limit_ms && def->soft_time_limit_ms > def->time_limit_ms)
                return "has a soft_time_limit_ms above its time_limit_ms";
        if (def->retry.cap_ms < def->retry.base_ms)
                return "has a retry cap_ms below its base_ms";
        if (def->ask && def->run)
                return "has both ask and run";
        if (!def->ask && !def->run)
                return "has neither ask nor run";
        if (def->ask && !def->conclude)
                return "has ask but no conclude";
        if (def->overdue && !def->ask)
                return "has overdue but no ask, whose call could take too long";
        if (def->ask && !def->schema)
                return "has ask but no schema";
        if (def->run && def->conclude)
                return "has run, but also conclude, which is for replies to ask";
        if (def->run && def->schema)
                return "has run, but also a schema, which is for replies to ask";
        const char *fault = prompts_fault(def->prompts);
        return fault ? fault : sees_fault(def);
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
