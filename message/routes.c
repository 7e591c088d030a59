/* SPDX-License-Identifier: Apache-2.0 */
#include "message/routes.h"

#include "message/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS " \t\n"

/* Without the blanks around it. */
static char *routes_trimmed(char *text)
{
        text += strspn(text, BLANKS);
        size_t size = strlen(text);
        while (size > 0 && strchr(BLANKS, text[size - 1]))
                text[--size] = '\0';
        return text;
}

static int check_queue(const char *setting, const char *queue, struct problem *why)
{
        if (strlen(queue) <= MESSAGE_MAX_NAME && !strpbrk(queue, BLANKS "=;*"))
                return 0;
        return problem_set(why, "settings", "bad_setting",
                           "%s: \"%.60s\" is no queue: a name has at most %d bytes, and no blank, =, ; or * in it",
                           setting, queue, MESSAGE_MAX_NAME);
}

static int routes_read_rule(struct task_route *rule, char *text, struct problem *why)
{
        char *equals = strchr(text, '=');
        if (equals)
                *equals = '\0';
        rule->task = routes_trimmed(text);
        rule->queue = equals ? routes_trimmed(equals + 1) : "";
        if (!*rule->task || !*rule->queue)
                return problem_set(
                        why, "settings", "bad_setting",
                        "CHARD_TASK_ROUTES: a rule is TASK=QUEUE, and the task may end in *; not \"%.60s%s%.60s\"",
                        rule->task, equals ? "=" : "", rule->queue);
        const size_t plain = strcspn(rule->task, "*" BLANKS);
        if (rule->task[plain] && strcmp(rule->task + plain, "*") != 0)
                return problem_set(why, "settings", "bad_setting",
                                   "CHARD_TASK_ROUTES: \"%.60s\" is no task: * may only stand at its end", rule->task);
        return check_queue("CHARD_TASK_ROUTES", rule->queue, why);
}

int task_routes_read(struct task_routes *out, const char *text, const char *otherwise, struct problem *why)
{
        *out = (struct task_routes){ .otherwise = otherwise && *otherwise ? otherwise : NULL,
                                     .memory = strdup(text ? text : "") };
        if (!out->memory)
                return -ENOMEM;
        int code = out->otherwise ? check_queue("CHARD_DEFAULT_QUEUE", out->otherwise, why) : 0;
        for (char *save, *rule = strtok_r(out->memory, ";", &save); rule && code == 0;
             rule = strtok_r(NULL, ";", &save)) {
                if (strspn(rule, BLANKS) == strlen(rule))
                        continue;
                if (out->count == ROUTES_MOST)
                        return problem_set(why, "settings", "bad_setting", "CHARD_TASK_ROUTES: more than %d rules",
                                           ROUTES_MOST);
                code = routes_read_rule(&out->rules[out->count++], rule, why);
        }
        return code;
}

void task_routes_free(struct task_routes *r)
{
        free(r->memory);
        *r = (struct task_routes){ 0 };
}

static bool routes_fits(const char *pattern, const char *task)
{
        const size_t size = strcspn(pattern, "*");
        return pattern[size] ? strncmp(pattern, task, size) == 0 : strcmp(pattern, task) == 0;
}

const char *task_routes_find(const struct task_routes *r, const char *task)
{
        for (size_t i = 0; r && i < r->count; i++)
                if (routes_fits(r->rules[i].task, task))
                        return r->rules[i].queue;
        return NULL;
}
