/* SPDX-License-Identifier: Apache-2.0 */
#include "message/canvas/canvas.h"

#include "core/json.h"
#include "message/canvas/signature_options.h"

#include <errno.h>

static int canvas_apply_one(struct followers *f, json_t *signature, struct bytes first, const json_t *over,
                            json_t **result);

/* ---- checking: it comes from outside ---- */

static int canvas_refuse(const struct followers *f, const char *what)
{
        return problem_set(f->why, "message", "bad_signature", "%s", what);
}

static int canvas_check_one(const struct followers *f, const json_t *signature, unsigned depth, bool routed);

static int canvas_check_all(const struct followers *f, const json_t *tasks, unsigned depth, bool routed)
{
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < json_array_size(tasks); i++)
                rc = canvas_check_one(f, json_array_get(tasks, i), depth, routed);
        return rc;
}

static bool canvas_has_route(const json_t *options)
{
        return json_is_string(json_object_get(options, "queue")) ||
               (json_is_string(json_object_get(options, "exchange")) &&
                json_is_string(json_object_get(options, "routing_key")));
}

static int canvas_check_chord(const struct followers *f, const json_t *signature, unsigned depth, bool routed)
{
        json_t *header = canvas_header(signature);
        if (!f->how->chords)
                return problem_set(f->why, "message", "unsupported_canvas",
                                   "what follows is a chord: its parts can only be counted in Redis, so set "
                                   "CHARD_RESULT_URL to the redis:// URL that the client has as its result backend");
        if (!canvas_body(signature))
                return canvas_refuse(f, "a chord's body must be a signature");
        if (!json_is_array(header) && !json_is_object(header))
                return canvas_refuse(f, "a chord's header must be a group or an array of signatures");
        const json_t *tasks = canvas_tasks(signature);
        int rc = tasks ? canvas_check_all(f, tasks, depth + 1, routed) : canvas_check_one(f, header, depth + 1, routed);
        return rc == 0 ? canvas_check_one(f, canvas_body(signature), depth + 1, routed) : rc;
}

/* Its tasks inherit them, so they must be such as a task's. */
static int canvas_check_options(const struct followers *f, const json_t *signature)
{
        struct signature_read s;
        json_t *task = json_pack("{s:s, s:O?}", "task", json_text(signature, "subtask_type", ""), "options",
                                 json_object_get(signature, "options"));
        const int rc = task ? signature_read(task, 0, &s, f->why) : -ENOMEM;
        json_decref(task);
        return rc;
}

static int canvas_check_one(const struct followers *f, const json_t *signature, unsigned depth, bool routed)
{
        const enum canvas_kind kind = canvas_kind_of(signature);
        const json_t *options = json_object_get(signature, "options");
        routed = routed || canvas_has_route(options);
        if (depth > CANVAS_DEEPEST)
                return canvas_refuse(f, "a canvas nests more than 40 deep");
        if (kind == CANVAS_TASK)
                return follower_check(f, signature, routed);
        const int rc = canvas_check_options(f, signature);
        if (rc != 0)
                return rc;
        if (kind == CANVAS_CHORD)
                return canvas_check_chord(f, signature, depth, routed);
        if (!json_is_array(canvas_tasks(signature)))
                return canvas_refuse(f, "the tasks of a group or chain must be an array of signatures");
        return canvas_check_all(f, canvas_tasks(signature), depth + 1, routed);
}

int canvas_check(const struct followers *f, const json_t *signature)
{
        return canvas_check_one(f, signature, 0, false);
}

/* ---- groups ---- */

static struct bytes canvas_unless_immutable(const json_t *signature, struct bytes first)
{
        return json_is_true(json_object_get(signature, "immutable")) ? (struct bytes){ NULL, 0 } : first;
}

/* Options that a group or header hands to its tasks, with its id: what is linked to a group takes the place of what is linked to its tasks. New
 * reference. */
static json_t *canvas_options_of_members(const json_t *options, const char *group_id)
{
        static const char *const own[] = { "task_id", "group_index", "chord" };
        json_t *rest = json_copy((json_t *)options);
        for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
                json_object_del(rest, own[i]);
        json_object_set_new(rest, "group_id", json_string(group_id));
        return rest;
}

static void canvas_count_chord(struct followers *f, const char *group_id, size_t size, json_t *saved)
{
        json_t *row = json_pack("{s:s, s:I, s:o*}", "group", group_id, "size", (json_int_t)size, "saved", saved);
        if (!f->out->chords)
                f->out->chords = json_array();
        json_array_append_new(f->out->chords, row);
}

/* Send each; *results gets a new array. */
static int canvas_apply_members(struct followers *f, json_t *tasks, struct bytes first, json_t *over, json_t **results)
{
        int rc = 0;
        *results = json_array();
        for (size_t i = 0; rc == 0 && i < json_array_size(tasks); i++) {
                json_t *task = json_array_get(tasks, i), *result = NULL;
                json_t *chord = json_object_get(json_object_get(task, "options"), "chord");
                if (chord && canvas_kind_of(task) != CANVAS_TASK)
                        json_object_set(over, "chord", chord);
                else
                        json_object_del(over, "chord");
                rc = canvas_apply_one(f, task, first, over, &result);
                if (result)
                        json_array_append_new(*results, result);
        }
        return rc;
}

static int canvas_apply_group(struct followers *f, json_t *signature, struct bytes first, json_t **result)
{
        json_t *options = canvas_options(signature);
        const char *group_id = canvas_id(f, signature);
        json_t *tasks = canvas_flat(canvas_tasks(signature), false),
               *over = canvas_options_of_members(options, group_id);
        json_t *chord = json_object_get(options, "chord"), *results = NULL;
        size_t size = 0;
        int rc = tasks && over ? 0 : -ENOMEM;
        for (size_t i = 0; rc == 0 && i < json_array_size(tasks); i++) {
                json_t *task = json_array_get(tasks, i);
                canvas_attach(f, task, group_id, chord, (json_int_t)i);
                size += canvas_size(task);
        }
        if (chord && size > 0)
                canvas_count_chord(f, group_id, size, NULL);
        if (rc == 0)
                rc = canvas_apply_members(f, tasks, first, over, &results);
        const json_t *only = json_array_size(results) == 1 ? json_array_get(results, 0) : NULL;
        if (rc == 0 && only && json_is_array(json_array_get(only, 1)))
                *result = json_incref((json_t *)only);
        else if (rc == 0)
                *result = json_pack("[[s, n], O]", group_id, results);
        json_decref(results);
        json_decref(tasks);
        json_decref(over);
        return rc;
}

/* ---- chains ---- */

/* The chain's own arguments stand before those of its first task. */
static void canvas_prepend_args(json_t *task, const json_t *args)
{
        json_t *all = json_array(), *own = json_object_get(task, "args");
        for (size_t i = 0; i < json_array_size(args); i++)
                json_array_append(all, json_array_get(args, i));
        for (size_t i = 0; i < json_array_size(own); i++)
                json_array_append(all, json_array_get(own, i));
        json_object_set_new(task, "args", all);
}

static void canvas_dress_steps(struct followers *f, json_t *steps, json_t *options)
{
        json_t *last = json_array_get(steps, 0), *links = json_object_get(options, "link");
        json_t *errbacks = json_object_get(options, "link_error"), *id = json_object_get(options, "task_id");
        const json_t *index = json_object_get(options, "group_index");
        const enum canvas_kind kind = canvas_kind_of(last);
        if (json_is_string(id) && kind == CANVAS_TASK && !json_object_get(canvas_options(last), "task_id"))
                json_object_set(canvas_options(last), "task_id", id);
        canvas_attach(f, last, json_string_value(json_object_get(options, "group_id")),
                      json_object_get(options, "chord"), json_is_integer(index) ? json_integer_value(index) : -1);
        if (links && !json_is_null(links) && kind == CANVAS_GROUP)
                canvas_append_links(canvas_options(last), "link", links); /* which it hands to every task */
        else if (links && !json_is_null(links))
                canvas_link(last, "link", links);
        for (size_t i = 0; errbacks && !json_is_null(errbacks) && i < json_array_size(steps); i++)
                canvas_link(json_array_get(steps, i), "link_error", errbacks);
}

/* Options for the chain's first task: what is left of the chain's, and what follows it. New reference. */
static json_t *canvas_options_of_first(const json_t *options, json_t *rest)
{
        static const char *const own[] = { "chord", "group_id", "group_index", "link", "link_error", "task_id" };
        json_t *over = json_copy((json_t *)options), *outer = json_object_get(options, "chain");
        json_t *all = json_is_array(outer) ? json_copy(outer) : json_array();
        for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
                json_object_del(over, own[i]);
        json_array_extend(all, rest);
        json_object_set_new(over, "chain", all);
        return over;
}

static int canvas_apply_chain(struct followers *f, json_t *signature, struct bytes first, json_t **result)
{
        json_t *options = canvas_options(signature), *steps = NULL;
        int rc = canvas_steps(f, signature, &steps);
        size_t count = json_array_size(steps);
        if (rc != 0 || count == 0) {
                json_decref(steps);
                return rc;
        }
        canvas_dress_steps(f, steps, options);
        json_t *begins = json_incref(json_array_get(steps, --count));
        json_array_remove(steps, count);
        if (!json_is_true(json_object_get(signature, "immutable")) &&
            json_array_size(json_object_get(signature, "args")) > 0)
                canvas_prepend_args(begins, json_object_get(signature, "args"));
        json_t *over = canvas_options_of_first(options, steps), *of_first = NULL;
        rc = over ? canvas_apply_one(f, begins, first, over, &of_first) : -ENOMEM;
        if (f->depth == 1 && !f->begun)
                f->begun = json_incref(of_first);
        if (rc == 0 && count > 0) {
                *result = canvas_result(f, json_array_get(steps, 0));
                json_decref(of_first);
        } else {
                *result = of_first;
        }
        json_decref(over);
        json_decref(begins);
        json_decref(steps);
        return rc;
}

/* ---- chords ---- */

static bool canvas_holds_groups(const json_t *results)
{
        for (size_t i = 0; i < json_array_size(results); i++)
                if (json_is_array(json_array_get(json_array_get(results, i), 1)))
                        return true;
        return false;
}

/* A group that has errbacks of its own keeps the chord's with them: they take the place of its tasks'. */
static void canvas_link_body(json_t *body, const json_t *errbacks)
{
        const json_t *own = json_object_get(canvas_options(body), "link_error");
        if (canvas_kind_of(body) == CANVAS_GROUP && own && !json_is_null(own))
                canvas_append_links(canvas_options(body), "link_error", errbacks);
        else
                canvas_link(body, "link_error", errbacks);
}

/* The body gets the chord's options, its place in the group, and its id before anything is sent. */
static void canvas_dress_body(struct followers *f, json_t *body, json_t *options, const char *group_id)
{
        static const char *const own[] = { "parent_id", "task_id", "link", "link_error", "countdown", "eta" };
        json_t *links = json_object_get(options, "link"), *errbacks = json_object_get(options, "link_error");
        json_t *rest = json_copy(options);
        for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
                json_object_del(rest, own[i]);
        if (links && !json_is_null(links))
                canvas_link(body, "link", links);
        if (errbacks && !json_is_null(errbacks))
                canvas_link_body(body, errbacks);
        json_object_update(canvas_options(body), rest);
        json_decref(rest);
        canvas_attach(f, body, group_id, NULL, -1);
}

static json_t *canvas_flat_header(json_t *signature)
{
        json_t *header = canvas_header(signature);
        json_t *tasks = canvas_tasks(signature), *alone = tasks ? NULL : json_pack("[O]", header);
        json_t *flat = canvas_flat(tasks ? tasks : alone, true);
        json_decref(alone);
        return flat;
}

static const char *canvas_header_id(struct followers *f, json_t *signature)
{
        json_t *header = canvas_header(signature);
        json_t *options = canvas_options(signature);
        json_t *id = json_object_get(json_object_get(header, "options"), "task_id");
        if (!json_is_string(json_object_get(options, "task_id")) && json_is_string(id))
                json_object_set(options, "task_id", id);
        return canvas_id(f, signature);
}

/* Its header's tasks learn of the chord; *saved: the tree of its results, where it is more than a list. */
static size_t canvas_dress_header(struct followers *f, json_t *tasks, const char *group_id, json_t *body,
                                  json_t **saved)
{
        json_t *results = json_array();
        size_t size = 0;
        for (size_t i = 0; i < json_array_size(tasks); i++) {
                json_t *task = json_array_get(tasks, i);
                canvas_attach(f, task, group_id, body, (json_int_t)i);
                size += canvas_size(task);
                json_array_append_new(results, canvas_result(f, task));
        }
        if (canvas_holds_groups(results))
                *saved = json_pack("{s:[[s, n], O]}", "result", group_id, results);
        json_decref(results);
        return size;
}

static int canvas_apply_chord(struct followers *f, json_t *signature, struct bytes first, json_t **result)
{
        json_t *options = canvas_options(signature), *body = canvas_body(signature);
        const char *group_id = canvas_header_id(f, signature);
        json_t *tasks = canvas_flat_header(signature), *over = canvas_options_of_members(options, group_id),
               *saved = NULL, *results = NULL;
        static const char *const bodys[] = { "chain", "link", "link_error" };
        for (size_t i = 0; i < sizeof(bodys) / sizeof(bodys[0]); i++)
                json_object_del(over, bodys[i]);
        canvas_dress_body(f, body, options, group_id);
        const size_t size = canvas_dress_header(f, tasks, group_id, body, &saved);
        int rc;
        if (!saved && branches_all_kept(f, tasks)) /* then the store can count them, too, should Redis forget */
                json_object_set_new(body, "chord_size", json_integer((json_int_t)size));
        if (size > 0) {
                canvas_count_chord(f, group_id, size, saved);
                f->out->branches += branches_of_body(f, body);
                rc = canvas_apply_members(f, tasks, first, over, &results);
                if (rc == 0)
                        *result = json_pack("[[s, n], O]", group_id, results);
        } else {
                json_decref(saved);
                rc = canvas_apply_one(f, body, bytes_of_string("[]"), NULL, result);
        }
        json_decref(results);
        json_decref(tasks);
        json_decref(over);
        return rc;
}

/* ---- one signature, whatever it is ---- */

static int canvas_apply_one(struct followers *f, json_t *signature, struct bytes first, const json_t *over,
                            json_t **result)
{
        int rc = 0;
        if (f->depth >= 2 * CANVAS_DEEPEST)
                return canvas_refuse(f, "a canvas nests too deep");
        f->depth++;
        json_t *merged = json_copy(signature);
        json_t *options = canvas_merge(json_object_get(signature, "options"), over, false);
        json_object_set_new(merged, "options", options);
        first = canvas_unless_immutable(signature, first);
        switch (canvas_kind_of(signature)) {
        case CANVAS_TASK: rc = follower_add(f, merged, first, NULL, "canvas", f->made++, result); break;
        case CANVAS_GROUP: rc = canvas_apply_group(f, merged, first, result); break;
        case CANVAS_CHAIN: rc = canvas_apply_chain(f, merged, first, result); break;
        case CANVAS_CHORD: rc = canvas_apply_chord(f, merged, first, result); break;
        }
        json_decref(merged);
        f->depth--;
        return rc;
}

/* What Celery's apply_async would return of a signature that has its ids. New reference. */
static json_t *canvas_whole_result(struct followers *f, const json_t *signature)
{
        json_t *spoilt = json_deep_copy(signature);
        json_t *whole = spoilt ? canvas_lineage(f, spoilt, NULL) : NULL;
        json_decref(spoilt);
        return whole;
}

int canvas_send(struct followers *f, const json_t *signature, json_t **child, json_t **whole)
{
        json_t *own = json_deep_copy(signature); /* it is changed on the way */
        int rc = own ? canvas_check(f, own) : -ENOMEM;
        *child = NULL;
        if (whole)
                *whole = NULL;
        if (rc == 0 && whole) {
                canvas_freeze(f, own);
                *whole = canvas_whole_result(f, own);
        }
        if (rc == 0)
                rc = canvas_apply_one(f, own, (struct bytes){ NULL, 0 }, NULL, child);
        json_t *begun = f->begun;
        f->begun = NULL;
        if (rc == 0 && begun && canvas_kind_of(own) == CANVAS_CHAIN) { /* the others are children of it */
                json_decref(*child);
                *child = json_incref(begun);
        }
        json_decref(begun);
        if (whole && (rc != 0 || !*child)) {
                json_decref(*whole);
                *whole = NULL;
        }
        if (rc != 0) {
                json_decref(*child);
                *child = NULL;
        }
        json_decref(own);
        return rc;
}

int canvas_apply(struct followers *f, const json_t *signature, struct bytes first, const json_t *over, json_t **result)
{
        json_t *own = json_deep_copy(signature), *made = NULL; /* it is changed on the way */
        int rc = own ? canvas_check(f, own) : -ENOMEM;
        if (rc == 0)
                rc = canvas_apply_one(f, own, first, over, &made);
        json_decref(f->begun);
        f->begun = NULL;
        json_decref(own);
        if (rc == 0 && result)
                *result = made;
        else
                json_decref(made);
        return rc;
}
