/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/task.h"

#include "core/json.h"

#include <stdio.h>
#include <string.h>

const char *document_job(const json_t *document)
{
        return json_text(json_object_get(document, "job"), "id", "");
}

const char *document_user(const json_t *document)
{
        return json_text(json_object_get(document, "job"), "user_id", NULL);
}

const char *document_lang(const json_t *document)
{
        return json_text(json_object_get(document, "job"), "lang", "");
}

const json_t *document_input(const json_t *document, const char *key)
{
        const json_t *value = json_object_get(json_object_get(document, "input"), key);
        return json_is_null(value) ? NULL : value;
}

const char *document_text(const json_t *document, const char *key)
{
        return json_string_value(document_input(document, key));
}

static bool document_adds(const struct task_def *def, const char *section)
{
        for (size_t i = 0; i < TASK_MOST_SECTIONS && def->adds[i]; i++)
                if (strcmp(def->adds[i], section) == 0)
                        return true;
        return false;
}

/* The names of the tasks that add a section, as many as fit, for the complaint when it is not there. */
static void list_adders(const struct task_set *set, const char *section, char *out, size_t size)
{
        size_t used = 0;
        snprintf(out, size, "an earlier task");
        for (size_t i = 0; i < set->count && used < size; i++)
                if (document_adds(set->tasks[i].def, section))
                        used += (size_t)snprintf(out + used, size - used, used ? " or %s" : "%s",
                                                 set->tasks[i].def->name);
}

/* The names of a document's members, as many as fit. */
static void list_members(const json_t *document, char *out, size_t size)
{
        const char *key;
        json_t *value;
        size_t used = 0;
        out[0] = '\0';
        json_object_foreach((json_t *)document, key, value) {
                size_t want = strlen(key) + (used ? 4 : 2);
                if (used + want >= size)
                        break;
                used += (size_t)snprintf(out + used, size - used, used ? ", \"%s\"" : "\"%s\"", key);
        }
}

int document_section(const struct task_input *in, const char *name, json_type type, const json_t **out,
                     struct problem *why)
{
        char members[200], adders[100];
        *out = json_object_get(in->document, name);
        if (*out && json_typeof(*out) == type)
                return 0;
        if (*out && !json_is_null(*out))
                return problem_set(why, "task", "bad_section", "the document's section \"%s\" is not %s", name,
                                   type == JSON_ARRAY ? "an array" : "an object");
        list_members(in->document, members, sizeof(members));
        list_adders(in->task->set, name, adders, sizeof(adders));
        return problem_set(why, "task", "missing_section",
                           "the document has no section \"%s\", which %s adds; it has %s", name, adders,
                           members[0] ? members : "nothing");
}

const json_t *task_facts(const struct task_input *in, const char *kind, const char *owner)
{
        return json_object_get(json_object_get(in->facts, kind), owner);
}
