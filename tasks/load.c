/* SPDX-License-Identifier: Apache-2.0 */
/* What the task files say, made ready once: prompts with the taxonomy filled in, answer schemas parsed. */
#include "tasks/load.h"

#include "core/bytes.h"
#include "core/json.h"
#include "tasks/waste/words.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* One task's. */
struct ready {
        json_t *schema;
        char *prompt[LANG_COUNT];
};

/* Written once, by load() under pthread_once; constant ever after. As many as the registry has tasks, in its order. */
static struct ready *ready;
static struct problem load_problem;
static pthread_once_t load_once = PTHREAD_ONCE_INIT;

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

/* Replace "enum": "@list" in an object. Returns 0, or 1 with the name that is none. */
static int expand_enum(json_t *object, const char **unknown)
{
        const char *name = json_string_value(json_object_get(object, "enum"));
        if (!name)
                return 0;
        json_t *list = list_of(name);
        if (list)
                return json_object_set_new(object, "enum", list) == 0 ? 0 : 1;
        *unknown = name;
        return 1;
}

/* The same in `value` and all its parts. Schemas are constants of ours, so their depth is bounded. */
static int expand(json_t *value, const char **unknown)
{
        if (expand_enum(value, unknown) != 0)
                return 1;
        const char *key;
        json_t *part;
        json_object_foreach(value, key, part) {
                if (expand(part, unknown) != 0)
                        return 1;
        }
        size_t i;
        json_array_foreach(value, i, part) {
                if (expand(part, unknown) != 0)
                        return 1;
        }
        return 0;
}

static int parse_schema(const struct task_def *def, json_t **out, struct problem *why)
{
        struct problem parse = { 0 };
        if (json_parse(bytes_of_string(def->schema), "task", out, &parse) != 0)
                return problem_set(why, "task", "bad_data", "the schema of task %s: %s", def->name, parse.text);
        if (!json_is_object(*out))
                return problem_set(why, "task", "bad_data", "the schema of task %s is no object", def->name);
        const char *unknown = "memory, which ran out";
        if (expand(*out, &unknown) != 0)
                return problem_set(
                        why, "task", "bad_data",
                        "the schema of task %s asks for the list %.60s; there are @major, @middle and @situation",
                        def->name, unknown);
        return 0;
}

int load_schema(const struct task_def *def, json_t **out, struct problem *why)
{
        *out = NULL;
        if (!def->schema || parse_schema(def, out, why) == 0)
                return 0;
        json_decref(*out);
        *out = NULL;
        return 1;
}

/* ---- prompts ---- */

static bool is_word(char c)
{
        return isalnum((unsigned char)c) || c == '_';
}

/* The size of the mark that begins at text[at], '@' included; 0 when none does. `start`: where the last mark ended. */
static size_t mark_at(const char *text, size_t start, size_t at)
{
        size_t size = 1;
        if (text[at] != '@' || (at > start && is_word(text[at - 1])))
                return 0;
        while (is_word(text[at + size]))
                size++;
        return size > 1 ? size : 0;
}

/* What a mark stands for, or NULL. */
static const char *meaning(const char *mark, size_t size, enum lang lang)
{
        const struct {
                const char *mark, *text;
        } all[] = { { "@categories", taxonomy()->catalogue[lang] }, { "@situation", taxonomy()->tag_list } };
        for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
                if (strlen(all[i].mark) == size && memcmp(all[i].mark, mark, size) == 0)
                        return all[i].text;
        return NULL;
}

/* One pass, so that an '@' of the taxonomy's own is never taken for a mark. */
static int fill(const struct task_def *def, const char *text, enum lang lang, struct buffer *out, struct problem *why)
{
        for (size_t i = 0, start = 0; text[i];) {
                size_t size = mark_at(text, start, i);
                const char *by = size ? meaning(text + i, size, lang) : NULL;
                if (size && !by)
                        return problem_set(
                                why, "task", "bad_data",
                                "the prompt of task %s has the mark %.*s; there are @categories and @situation",
                                def->name, size < 60 ? (int)size : 60, text + i);
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

int load_prompt(const struct task_def *def, enum lang lang, char **out, struct problem *why)
{
        const char *text = lang == LANG_EN ? def->prompt.en : def->prompt.ko;
        struct buffer filled = { 0 };
        *out = NULL;
        if (!text)
                return 0;
        if (fill(def, text, lang, &filled, why) != 0) {
                buffer_free(&filled);
                return 1;
        }
        *out = (char *)filled.data;
        return 0;
}

/* ---- all of it ---- */

static int load_task(const struct task_def *def, struct ready *r, struct problem *why)
{
        for (enum lang lang = LANG_KO; lang < LANG_COUNT; lang++)
                if (load_prompt(def, lang, &r->prompt[lang], why) != 0)
                        return 1;
        return load_schema(def, &r->schema, why);
}

static void load(void)
{
        size_t count = 0;
        if (load_check(task_registry, &load_problem) != 0)
                return;
        if (taxonomy_load(&load_problem) != 0 || words_load(&load_problem) != 0)
                return;
        while (task_registry[count])
                count++;
        ready = calloc(count + 1, sizeof(*ready));
        if (!ready)
                problem_set(&load_problem, "task", "bad_data", "out of memory");
        for (size_t i = 0; ready && i < count; i++)
                if (load_task(task_registry[i], &ready[i], &load_problem) != 0)
                        return;
}
