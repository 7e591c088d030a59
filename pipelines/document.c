/* SPDX-License-Identifier: Apache-2.0 */
#include "pipelines/pipeline.h"

#include "core/json.h"

#include <errno.h>
#include <string.h>

static int from_input(const struct task_message *task, const struct pipeline *p, json_t *takes, json_t **out);
static int from_document(const struct task_message *task, const struct pipeline *p, json_t **out, struct problem *why);
static int first_input(const struct task_message *task, json_t **out, struct problem *why);

static bool is_document(const json_t *value)
{
        return json_is_object(json_object_get(value, "job")) && json_is_object(json_object_get(value, "input"));
}

/* A pipeline's first task: a fresh document, or a whole one that is started again; checked either way. */
static int first_document(const struct task_message *task, const struct pipeline *p, json_t **out, struct problem *why)
{
        json_t *input = NULL;
        bool whole = is_document(json_array_get(task->args, 0));
        int rc = whole ? from_document(task, p, out, why) : first_input(task, &input, why);
        if (rc == 0 && !whole)
                rc = from_input(task, p, input, out);
        if (rc != 0)
                return rc;
        rc = input_check(p->input, json_object_get(*out, "input"), "task", "bad_arguments", why);
        if (rc != 0) {
                json_decref(*out);
                *out = NULL;
        }
        return rc;
}

/* A task of no pipeline: whatever it was given. */
static int free_document(const struct task_message *task, json_t **out)
{
        json_t *input = json_copy(task->kwargs);
        if (input && json_array_size(task->args) > 0)
                json_object_set(input, "args", task->args);
        return from_input(task, NULL, input, out);
}

int pipeline_document(const struct task_message *task, const struct pipeline *p, json_t **out, struct problem *why)
{
        if (p && strcmp(p->steps[0], task->name) == 0)
                return first_document(task, p, out, why);
        if (!p && !is_document(json_array_get(task->args, 0)))
                return free_document(task, out);
        return from_document(task, p, out, why);
}

/* ---- a fresh document ---- */

/* Python objects that kombu wrapped ({"__type__": "uuid", …}) count as their text. */
static int document_unwrap(json_t *input)
{
        const char *key;
        json_t *value;
        const json_t *inner;
        json_object_foreach(input, key, value) {
                if (typed_json_read(value, &inner) != TYPED_NONE && json_is_string(inner) &&
                    json_object_set(input, key, (json_t *)inner) != 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Add the keyword arguments to what a positional object gave. */
static int add_keywords(json_t *input, json_t *kwargs, struct problem *why)
{
        const char *key;
        json_t *value;
        json_object_foreach(kwargs, key, value) {
                if (json_object_get(input, key))
                        return problem_set(
                                why, "task", "bad_arguments",
                                "\"%.60s\" is given twice: as a keyword argument and in the object before it", key);
                if (json_object_set(input, key, value) != 0)
                        return -ENOMEM;
        }
        return 0;
}

static int first_input(const struct task_message *task, json_t **out, struct problem *why)
{
        size_t count = json_array_size(task->args);
        const json_t *given = json_array_get(task->args, 0);
        if (count > 1 || (count == 1 && !json_is_object(given)))
                return problem_set(
                        why, "task", "bad_arguments",
                        "%s takes keyword arguments, or one object; it got %zu positional arguments, the first %s",
                        task->name, count, json_kind(given));
        json_t *input = given ? json_copy((json_t *)given) : json_object();
        int rc = input ? add_keywords(input, task->kwargs, why) : -ENOMEM;
        if (rc == 0)
                rc = document_unwrap(input);
        if (rc == 0)
                *out = input;
        else
                json_decref(input);
        return rc;
}

static int from_input(const struct task_message *task, const struct pipeline *p, json_t *takes, json_t **out)
{
        const char *lang = json_text(takes, "lang", p ? p->lang : NULL);
        *out = json_pack("{s:{s:s, s:s?, s:s?, s:s?}, s:o}", "job", "id", task->root_id, "pipeline", p ? p->name : NULL,
                         "user_id", json_text(takes, "user_id", NULL), "lang", lang, "input", takes);
        return *out ? 0 : -ENOMEM;
}

/* ---- a document that another task worked on ---- */

static int bad_document(const struct task_message *task, const char *what, struct problem *why)
{
        return problem_set(why, "task", "bad_document",
                           "%s works on the document of the task before it, its only positional argument; %s",
                           task->name, what);
}

static int pipeline_document_check_form(const struct task_message *task, struct problem *why)
{
        const json_t *given = json_array_get(task->args, 0), *job = json_object_get(given, "job");
        const json_t *user_id = json_object_get(job, "user_id");
        char what[160];
        if (!given)
                return bad_document(task, "there is none", why);
        if (json_array_size(task->args) > 1)
                return bad_document(task, "there are others behind it", why);
        if (json_object_size(task->kwargs) > 0) {
                const char *key = json_object_iter_key(json_object_iter(task->kwargs));
                snprintf(what, sizeof(what), "there is a keyword argument: \"%.60s\"", key);
                return bad_document(task, what, why);
        }
        if (!json_is_object(given)) {
                snprintf(what, sizeof(what), "it is %s, not an object", json_kind(given));
                return bad_document(task, what, why);
        }
        if (!json_is_object(job))
                return bad_document(task, "its \"job\" is no object", why);
        if (!json_is_object(json_object_get(given, "input")))
                return bad_document(task, "its \"input\" is no object", why);
        if (user_id && !json_is_null(user_id) && !json_is_string(user_id))
                return bad_document(task, "its job.user_id is no text", why);
        return 0;
}

/* The job is the one that the message belongs to, whatever the document says. */
static json_t *own_job(const struct task_message *task, const struct pipeline *p, const json_t *given)
{
        json_t *job = json_copy((json_t *)given);
        bool failed = !job || json_object_set_new(job, "id", json_string(task->root_id)) != 0;
        if (!failed && p)
                failed = json_object_set_new(job, "pipeline", json_string(p->name)) != 0;
        if (!failed)
                return job;
        json_decref(job);
        return NULL;
}

static int from_document(const struct task_message *task, const struct pipeline *p, json_t **out, struct problem *why)
{
        if (pipeline_document_check_form(task, why) != 0)
                return 1;
        json_t *given = json_array_get(task->args, 0);
        json_t *document = json_copy(given), *job = own_job(task, p, json_object_get(given, "job"));
        if (document && job && json_object_set(document, "job", job) == 0)
                *out = document;
        else
                json_decref(document);
        int rc = document && job ? 0 : -ENOMEM;
        json_decref(job);
        return rc;
}
