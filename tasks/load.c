/* SPDX-License-Identifier: Apache-2.0 */
/* What the task files say, made ready: prompts with their marks filled in, answer schemas parsed. */
#include "tasks/load.h"

#include "ai/ai.h"
#include "core/bytes.h"
#include "core/json.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- schemas ---- */

/* Whose lists and marks count. */
struct load_source {
        const struct domain *domain;
        const void *data;
        const struct task_def *def;
};

static json_t *task_load_list_of(const struct load_source *from, const char *name)
{
        return from->domain->list ? from->domain->list(from->data, name) : NULL;
}

/* Replace "enum": "@list" in an object. Returns 0, or 1 with the name that is none. */
static int expand_enum(const struct load_source *from, json_t *object, const char **unknown)
{
        const char *name = json_string_value(json_object_get(object, "enum"));
        if (!name)
                return 0;
        json_t *list = task_load_list_of(from, name);
        if (list)
                return json_object_set_new(object, "enum", list) == 0 ? 0 : 1;
        *unknown = name;
        return 1;
}

/* The same in `value` and all its parts. Schemas are constants of ours, so their depth is bounded. */
static int load_expand(const struct load_source *from, json_t *value, const char **unknown)
{
        if (expand_enum(from, value, unknown) != 0)
                return 1;
        const char *key;
        json_t *part;
        json_object_foreach(value, key, part) {
                if (load_expand(from, part, unknown) != 0)
                        return 1;
        }
        size_t i;
        json_array_foreach(value, i, part) {
                if (load_expand(from, part, unknown) != 0)
                        return 1;
        }
        return 0;
}

static int parse_schema(const struct load_source *from, json_t **out, struct problem *why)
{
        const struct task_def *def = from->def;
        struct problem parse = { 0 };
        if (json_parse(bytes_of_string(def->schema), "task", out, &parse) != 0)
                return problem_set(why, "task", "bad_data", "the schema of task %s: %s", def->name, parse.text);
        if (!json_is_object(*out))
                return problem_set(why, "task", "bad_data", "the schema of task %s is no object", def->name);
        const char *unknown = "memory, which ran out";
        if (load_expand(from, *out, &unknown) != 0)
                return problem_set(why, "task", "bad_data",
                                   "the schema of task %s asks for the list %.60s; there are %s", def->name, unknown,
                                   from->domain->lists ? from->domain->lists : "none");
        return 0;
}

int load_schema(const struct domain *domain, const void *data, const struct task_def *def, json_t **out,
                struct problem *why)
{
        const struct load_source from = { domain, data, def };
        *out = NULL;
        if (!def->schema || parse_schema(&from, out, why) == 0)
                return 0;
        json_decref(*out);
        *out = NULL;
        return 1;
}

int load_strict(const struct task_def *def, const json_t *schema, struct problem *why)
{
        struct problem found = { 0 };
        if (ai_schema_strict(schema, &found) == 0)
                return 0;
        return problem_set(why, "task", "bad_data", "no provider takes the schema of task %s: %s", def->name,
                           found.text);
}

/* ---- prompts ---- */

static bool task_load_is_word(char c)
{
        return isalnum((unsigned char)c) || c == '_';
}

/* The size of the mark that begins at text[at], '@' included; 0 when none does. `start`: where the last mark ended. */
static size_t mark_at(const char *text, size_t start, size_t at)
{
        size_t size = 1;
        if (text[at] != '@' || (at > start && task_load_is_word(text[at - 1])))
                return 0;
        while (task_load_is_word(text[at + size]))
                size++;
        return size > 1 ? size : 0;
}

/* What a mark stands for, or NULL. */
static const char *load_meaning(const struct load_source *from, const char *mark, size_t size, const char *lang)
{
        return from->domain->mark ? from->domain->mark(from->data, mark, size, lang) : NULL;
}

/* One pass, so that an '@' of the data's own is never taken for a mark. */
static int task_load_fill(const struct load_source *from, const struct task_prompt *prompt, struct buffer *out,
                          struct problem *why)
{
        const struct task_def *def = from->def;
        const char *text = prompt->text;
        for (size_t i = 0, start = 0; text[i];) {
                size_t size = mark_at(text, start, i);
                const char *by = size ? load_meaning(from, text + i, size, prompt->lang) : NULL;
                if (size && !by)
                        return problem_set(why, "task", "bad_data",
                                           "the prompt of task %s has the mark %.*s; there are %s", def->name,
                                           size < 60 ? (int)size : 60, text + i,
                                           from->domain->marks ? from->domain->marks : "none");
                if (by)
                        buffer_add_string(out, by);
                else
                        buffer_add_byte(out, (unsigned char)text[i]);
                i += size ? size : 1;
                start = size ? i : start;
        }
        buffer_add_byte(out, '\0');
        return out->failed ? problem_set(why, "task", "bad_data", "out of memory for the prompt of task %s", def->name)
                           : 0;
}

int load_prompt(const struct domain *domain, const void *data, const struct task_def *def,
                const struct task_prompt *prompt, char **out, struct problem *why)
{
        const struct load_source from = { domain, data, def };
        struct buffer filled = { 0 };
        *out = NULL;
        if (task_load_fill(&from, prompt, &filled, why) != 0) {
                buffer_free(&filled);
                return 1;
        }
        *out = (char *)filled.data;
        return 0;
}

static int load_prompts(const struct domain *domain, struct task *task, struct problem *why)
{
        const struct task_prompt *from = task->def->prompts;
        size_t count = 0;
        int rc = 0;
        while (from && from[count].lang)
                count++;
        if (count == 0)
                return 0;
        task->prompts = calloc(count + 1, sizeof(*task->prompts));
        if (!task->prompts)
                return -ENOMEM;
        for (size_t i = 0; rc == 0 && i < count; i++) {
                char *text;
                rc = load_prompt(domain, task->data, task->def, &from[i], &text, why);
                if (rc == 0)
                        task->prompts[i] = (struct task_prompt){ from[i].lang, text };
        }
        return rc;
}

/* ---- one task ---- */

int load_task(const struct domain *domain, struct task *task, struct problem *why)
{
        json_t *schema = NULL;
        int rc = load_prompts(domain, task, why);
        if (rc == 0)
                rc = load_schema(domain, task->data, task->def, &schema, why);
        if (rc == 0 && schema)
                rc = load_strict(task->def, schema, why);
        task->schema = schema;
        return rc;
}

void load_clear(struct task *task)
{
        json_decref((json_t *)task->schema);
        for (size_t i = 0; task->prompts && task->prompts[i].lang; i++)
                free((char *)task->prompts[i].text);
        free(task->prompts);
        *task = (struct task){ 0 };
}

/* ---- using it ---- */

/* Does `lang`, cut at one of its hyphens or whole, name the tag? */
static const struct task_prompt *prompt_named(const struct task_prompt *prompts, const char *lang, size_t size)
{
        for (const struct task_prompt *p = prompts; p->lang; p++)
                if (strlen(p->lang) == size && strncasecmp(p->lang, lang, size) == 0)
                        return p;
        return NULL;
}

const struct task_prompt *task_prompt(const struct task *task, const char *lang)
{
        if (!task->prompts)
                return NULL;
        for (size_t size = strlen(lang); size > 0; size--) {
                const struct task_prompt *found =
                        lang[size] == '\0' || lang[size] == '-' ? prompt_named(task->prompts, lang, size) : NULL;
                if (found)
                        return found;
        }
        return task->prompts;
}

const struct task *task_in(const struct task_set *set, const char *name)
{
        for (size_t i = 0; i < set->count; i++)
                if (strcmp(set->tasks[i].def->name, name) == 0)
                        return &set->tasks[i];
        return NULL;
}
