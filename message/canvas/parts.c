/* SPDX-License-Identifier: Apache-2.0 */
#include "message/canvas/parts.h"

#include "core/json.h"

#include <string.h>

static const char *canvas_text(const json_t *value, const char *key)
{
        return json_string_value(json_object_get(value, key));
}

enum canvas_kind canvas_kind_of(const json_t *signature)
{
        static const struct {
                const char *type;
                enum canvas_kind kind;
        } kinds[] = { { "group", CANVAS_GROUP }, { "chain", CANVAS_CHAIN }, { "chord", CANVAS_CHORD } };
        const char *type = canvas_text(signature, "subtask_type");
        for (size_t i = 0; type && i < sizeof(kinds) / sizeof(kinds[0]); i++)
                if (strcmp(type, kinds[i].type) == 0)
                        return kinds[i].kind;
        return CANVAS_TASK;
}

bool canvas_is_plain(const json_t *signature)
{
        return canvas_kind_of(signature) == CANVAS_TASK;
}

static json_t *canvas_argument(const json_t *signature, const char *key)
{
        return json_object_get(json_object_get(signature, "kwargs"), key);
}

json_t *canvas_header(const json_t *chord)
{
        return canvas_argument(chord, "header");
}

json_t *canvas_tasks(const json_t *signature)
{
        if (canvas_kind_of(signature) != CANVAS_CHORD)
                return canvas_argument(signature, "tasks");
        json_t *header = canvas_header(signature);
        return json_is_object(header) ? canvas_argument(header, "tasks") : header;
}

json_t *canvas_body(const json_t *signature)
{
        json_t *body = canvas_argument(signature, "body");
        return json_is_object(body) ? body : NULL;
}

bool canvas_gives_result(const json_t *signature)
{
        switch (canvas_kind_of(signature)) {
        case CANVAS_TASK: return true;
        case CANVAS_CHORD: return canvas_gives_result(canvas_body(signature));
        case CANVAS_CHAIN:
        case CANVAS_GROUP: break;
        }
        return canvas_last(signature) != NULL;
}

json_t *canvas_last(const json_t *signature)
{
        const json_t *tasks = canvas_tasks(signature);
        for (size_t i = json_array_size(tasks); i > 0; i--) {
                json_t *task = json_array_get(tasks, i - 1);
                if (canvas_gives_result(task))
                        return task;
        }
        return NULL;
}

size_t canvas_size(const json_t *signature)
{
        const json_t *tasks = canvas_tasks(signature), *last;
        size_t sum = 0;
        switch (canvas_kind_of(signature)) {
        case CANVAS_TASK: return 1;
        case CANVAS_CHORD: return canvas_size(canvas_body(signature));
        case CANVAS_CHAIN: last = canvas_last(signature); return last ? canvas_size(last) : 0;
        case CANVAS_GROUP:
                for (size_t i = 0; i < json_array_size(tasks); i++)
                        sum += canvas_size(json_array_get(tasks, i));
                break;
        }
        return sum;
}

json_t *canvas_options(json_t *signature)
{
        json_t *options = json_object_get(signature, "options");
        if (json_is_object(options))
                return options;
        json_object_set_new(signature, "options", json_object());
        return json_object_get(signature, "options");
}

json_t *canvas_options_given(const json_t *signature)
{
        return json_object_get(signature, "options");
}

void canvas_append_links(json_t *options, const char *kind, const json_t *callbacks)
{
        json_t *have = json_object_get(options, kind);
        json_t *list = json_is_array(have) ? json_copy(have) : json_array();
        if (json_is_object(have))
                json_array_append(list, have);
        if (json_is_object(callbacks))
                json_array_append(list, (json_t *)callbacks);
        for (size_t i = 0; i < json_array_size(callbacks); i++)
                json_array_append(list, json_array_get(callbacks, i));
        json_object_set_new(options, kind, list);
}

void canvas_link(json_t *signature, const char *kind, const json_t *callbacks)
{
        json_t *tasks = canvas_tasks(signature);
        const bool all = strcmp(kind, "link_error") == 0;
        switch (canvas_kind_of(signature)) {
        case CANVAS_CHAIN:
                if (!all && canvas_last(signature))
                        canvas_link(canvas_last(signature), kind, callbacks);
                for (size_t i = 0; all && i < json_array_size(tasks); i++)
                        canvas_link(json_array_get(tasks, i), kind, callbacks);
                return;
        case CANVAS_GROUP:
                for (size_t i = 0; i < json_array_size(tasks) && (all || i == 0); i++)
                        canvas_link(json_array_get(tasks, i), kind, callbacks);
                return;
        case CANVAS_CHORD:
                if (canvas_body(signature))
                        canvas_link(canvas_body(signature), kind, callbacks);
                return;
        case CANVAS_TASK: canvas_append_links(canvas_options(signature), kind, callbacks);
        }
}

static bool canvas_option_stays(const json_t *options, const char *key)
{
        const json_t *stamped = json_object_get(options, "stamped_headers");
        if (!json_object_get(options, key))
                return false;
        if (strcmp(key, "group_id") == 0 || strcmp(key, "stamped_headers") == 0)
                return true;
        for (size_t i = 0; i < json_array_size(stamped); i++) {
                const char *name = json_string_value(json_array_get(stamped, i));
                if (name && strcmp(name, key) == 0)
                        return true;
        }
        return false;
}

json_t *canvas_merge(const json_t *options, const json_t *over, bool nulls)
{
        json_t *all = json_is_object(options) ? json_copy((json_t *)options) : json_object();
        const char *key;
        json_t *value;
        int rc = all ? 0 : -1;
        json_object_foreach((json_t *)over, key, value) {
                if (rc == 0 && (nulls || !json_is_null(value)) && !canvas_option_stays(options, key))
                        rc = json_object_set(all, key, value);
        }
        if (rc == 0)
                return all;
        json_decref(all);
        return NULL;
}

bool canvas_hand_options(json_t *first, const json_t *chain)
{
        static const char *const own[] = { "chord",      "group_id",  "group_index", "link",
                                           "link_error", "parent_id", "root_id",     "task_id" };
        const json_t *options = canvas_options_given(chain);
        JSON_OWNED json_t *rest = json_is_object(options) ? json_copy((json_t *)options) : json_object();
        for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
                json_object_del(rest, own[i]);
        json_t *all = rest ? canvas_merge(canvas_options_given(first), rest, false) : NULL;
        return all && json_object_set_new(first, "options", all) == 0;
}

/* ---- making ---- */

static json_t *canvas_of(const char *task, const char *type, json_t *tasks_takes)
{
        return json_pack("{s:s, s:[], s:{s:o}, s:{}, s:s, s:b}", "task", task, "args", "kwargs", "tasks", tasks_takes,
                         "options", "subtask_type", type, "immutable", 0);
}

json_t *canvas_chain(json_t *tasks_takes)
{
        return canvas_of("celery.chain", "chain", tasks_takes);
}

json_t *canvas_group(json_t *tasks_takes)
{
        return canvas_of("celery.group", "group", tasks_takes);
}

json_t *canvas_chord(json_t *header_takes, json_t *body_takes)
{
        return json_pack("{s:s, s:[], s:{s:{}, s:o, s:o}, s:{}, s:s, s:b}", "task", "celery.chord", "args", "kwargs",
                         "kwargs", "header", header_takes, "body", body_takes, "options", "subtask_type", "chord",
                         "immutable", 0);
}

/* ---- shapes ---- */

json_t *canvas_unrolled(json_t *signature)
{
        while (canvas_kind_of(signature) == CANVAS_GROUP && json_array_size(canvas_tasks(signature)) == 1)
                signature = json_array_get(canvas_tasks(signature), 0);
        return signature;
}

bool canvas_splits(const json_t *signature)
{
        const json_t *body = canvas_kind_of(signature) == CANVAS_CHORD ? canvas_body(signature) : NULL;
        if (!body || canvas_kind_of(body) != CANVAS_CHAIN || json_array_size(canvas_tasks(body)) == 0)
                return false;
        return canvas_kind_of(json_array_get(canvas_tasks(body), 0)) != CANVAS_GROUP;
}

static void canvas_add_flat(json_t *tasks, bool frozen, json_t *out)
{
        const size_t count = json_array_size(tasks);
        for (size_t i = 0; i < count; i++) {
                json_t *task = json_array_get(tasks, i);
                json_t *inner = canvas_tasks(task);
                if (canvas_kind_of(task) != CANVAS_GROUP) {
                        if (canvas_gives_result(task))
                                json_array_append(out, task);
                        continue;
                }
                json_t *turned = json_array();
                for (size_t k = json_array_size(inner); frozen && k > 0; k--)
                        json_array_append(turned, json_array_get(inner, k - 1));
                canvas_add_flat(frozen ? turned : inner, frozen, out);
                json_decref(turned);
        }
}

json_t *canvas_flat(json_t *tasks, bool frozen)
{
        json_t *out = json_array();
        canvas_add_flat(tasks, frozen, out);
        return out;
}
