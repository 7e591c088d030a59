/* SPDX-License-Identifier: Apache-2.0 */
/* What the task files say, made ready once: prompts with the taxonomy filled in, answer schemas parsed. */
#include "tasks/task.h"

#include "core/bytes.h"
#include "core/json.h"
#include "tasks/taxonomy.h"
#include "tasks/words.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* One task's. */
struct ready {
        json_t *schema;
        const char *prompt[LANG_COUNT];
};

/* Written once, by load() under pthread_once; constant ever after. As many as the registry has tasks, in its order. */
static struct ready *ready;
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

static const struct ready *find(const struct task_def *def)
{
        if (tasks_load(NULL) != 0)
                return NULL;
        for (size_t i = 0; task_registry[i]; i++)
                if (task_registry[i] == def)
                        return &ready[i];
        return NULL;
}

const json_t *task_schema(const struct task_def *def)
{
        const struct ready *r = find(def);
        return r ? r->schema : NULL;
}

const char *task_prompt(const struct task_def *def, const char *lang)
{
        const struct ready *r = find(def);
        return r ? r->prompt[lang_of(lang)] : NULL;
}

/* ---- schemas ---- */

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

/* ---- prompts ---- */

/* Copy `text` with the first `mark` in it replaced, to `out`; returns what is behind it, or NULL where there is no mark. */
static const char *replace(const char *text, const char *mark, const char *by, struct buffer *out)
{
        const char *at = strstr(text, mark);
        if (!at)
                return NULL;
        buffer_add(out, text, (size_t)(at - text));
        buffer_add_string(out, by);
        return at + strlen(mark);
}

static const char *load_prompt(const char *text, enum lang lang)
{
        struct buffer out = { 0 };
        const char *rest = text ? replace(text, "@categories", taxonomy()->catalogue[lang], &out) : NULL;
        if (rest)
                text = rest;
        rest = text ? replace(text, "@situation", taxonomy()->tag_list, &out) : NULL;
        if (rest)
                text = rest;
        if (out.size == 0)
                return text;
        buffer_add(&out, text, strlen(text) + 1);
        if (out.failed)
                problem_set(&load_problem, "task", "bad_data", "out of memory");
        return (const char *)out.data;
}

static void load(void)
{
        size_t count = 0;
        if (taxonomy_load(&load_problem) != 0 || words_load(&load_problem) != 0)
                return;
        while (task_registry[count])
                count++;
        ready = calloc(count + 1, sizeof(*ready));
        for (size_t i = 0; ready && i < count; i++) {
                const struct task_def *def = task_registry[i];
                ready[i].prompt[LANG_KO] = load_prompt(def->prompt.ko, LANG_KO);
                ready[i].prompt[LANG_EN] = load_prompt(def->prompt.en, LANG_EN);
                if (load_schema(def, &ready[i].schema) != 0)
                        return;
        }
        if (!ready)
                problem_set(&load_problem, "task", "bad_data", "out of memory");
}
