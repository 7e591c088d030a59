/* SPDX-License-Identifier: Apache-2.0 */
/* The tasks' answer schemas, parsed once: texts in the task files, whose "enum": "@middle" and the like become lists. */
#include "tasks/task.h"

#include "core/bytes.h"
#include "core/json.h"
#include "tasks/taxonomy.h"
#include "tasks/words.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Written once, by load() under pthread_once; constant ever after. As many as the registry has tasks, in its order. */
static json_t **schemas;
static struct problem load_problem;
static pthread_once_t load_once = PTHREAD_ONCE_INIT;

static json_t *list_of(const char *name);

static void load(void);

int tasks_load(struct problem *why)
{
        pthread_once(&load_once, load);
        if (load_problem.code[0] && why)
                *why = load_problem;
        return load_problem.code[0] ? 1 : 0;
}

const json_t *task_schema(const struct task_def *def)
{
        if (!def->schema || tasks_load(NULL) != 0)
                return NULL;
        for (size_t i = 0; task_registry[i]; i++)
                if (task_registry[i] == def)
                        return schemas[i];
        return NULL;
}

/* Replace each "enum": "@list" inside `value`. Schemas are constants of ours, so their depth is bounded. */
static int expand(json_t *value)
{
        const char *name = json_string_value(json_object_get(value, "enum"));
        if (name) {
                json_t *list = list_of(name);
                if (!list)
                        return 1;
                json_object_set_new(value, "enum", list);
        }
        const char *key;
        json_t *member;
        json_object_foreach(value, key, member) {
                if (json_is_object(member) && expand(member) != 0)
                        return 1;
        }
        return 0;
}

static json_t *slugs(bool middles)
{
        json_t *list = json_array();
        const struct taxonomy *t = taxonomy();
        for (size_t i = 0; i < t->category_count; i++) {
                const struct category *c = &t->categories[i];
                if (middles ? c->is_middle : c->major == c)
                        json_array_append_new(list, json_string(c->slug));
        }
        return list;
}

static json_t *list_of(const char *name)
{
        if (strcmp(name, "@major") == 0)
                return slugs(false);
        if (strcmp(name, "@middle") == 0)
                return slugs(true);
        if (strcmp(name, "@situation") == 0)
                return json_deep_copy(taxonomy()->tags);
        return NULL;
}

static int load_schema(const struct task_def *def, json_t **out)
{
        if (!def->schema)
                return 0;
        struct problem why = { 0 };
        if (json_parse(bytes_of_string(def->schema), "task", out, &why) != 0)
                return problem_set(&load_problem, "task", "bad_data", "the schema of task %s: %s", def->name, why.text);
        if (!json_is_object(*out) || expand(*out) != 0)
                return problem_set(&load_problem, "task", "bad_data",
                                   "the schema of task %s is no object, or names an unknown list", def->name);
        return 0;
}

static void load(void)
{
        size_t count = 0;
        if (taxonomy_load(&load_problem) != 0 || words_load(&load_problem) != 0)
                return;
        while (task_registry[count])
                count++;
        schemas = calloc(count + 1, sizeof(json_t *)); // NOLINT(bugprone-sizeof-expression)
        for (size_t i = 0; schemas && i < count; i++)
                if (load_schema(task_registry[i], &schemas[i]) != 0)
                        return;
        if (!schemas)
                problem_set(&load_problem, "task", "bad_data", "out of memory");
}
