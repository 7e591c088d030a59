/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/task.h"

#include "core/json.h"
#include "tasks/taxonomy.h"

#include <string.h>

/* Which task adds which section, for the complaint when it is not there. */
static const struct {
        const char *section, *tasks;
} added_by[] = {
        { "classification", "scan.vision or chat.classify" },
        { "rules", "scan.answer" },
        { "answer", "scan.answer or chat.answer" },
        { "reward", "scan.reward" },
};

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
        const char *lang = json_text(json_object_get(document, "job"), "lang", "ko");
        return lang_codes[lang_of(lang)];
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

static const char *adder(const char *section)
{
        for (size_t i = 0; i < sizeof(added_by) / sizeof(*added_by); i++)
                if (strcmp(added_by[i].section, section) == 0)
                        return added_by[i].tasks;
        return "an earlier task";
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
        char members[200];
        *out = json_object_get(in->document, name);
        if (*out && json_typeof(*out) == type)
                return 0;
        if (*out && !json_is_null(*out))
                return problem_set(why, "task", "bad_section", "the document's section \"%s\" is not %s", name,
                                   type == JSON_ARRAY ? "an array" : "an object");
        list_members(in->document, members, sizeof(members));
        return problem_set(why, "task", "missing_section",
                           "the document has no section \"%s\", which %s adds; it has %s", name, adder(name),
                           members[0] ? members : "nothing");
}
