/* SPDX-License-Identifier: Apache-2.0 */
/* Celery's own tasks (celery.app.builtins), as far as a client can send them. They stand in Celery's default queue, which no worker
 * consumes unless -Q celery names it; in any other queue that is consumed they work as well. */
#include "core/json.h"
#include "tasks/task.h"

#include <errno.h>

#define BUILT_IN                                                                                            \
        .queue = "celery", .retry = { .limit = 3, .base_ms = 1000, .cap_ms = 60000 }, .deadline_ms = 10000, \
        .flags = TASK_DIAGNOSTIC | TASK_PLAIN | TASK_STATELESS | TASK_ANYWHERE

/* ---- celery.accumulate: what it was given, or one of it ---- */

static int builtin_accumulate(const struct task_input *in, struct outcome *out, struct problem *why)
{
        const json_t *index = json_object_get(in->kwargs, "index");
        const json_int_t count = (json_int_t)json_array_size(in->args);
        json_int_t at = json_integer_value(index);
        if (!index || json_is_null(index))
                return outcome_result(out, json_incref((json_t *)in->args));
        if (at < 0)
                at += count;
        if (!json_is_integer(index) || at < 0 || at >= count)
                return problem_set(why, "task", "bad_arguments", "index must be one of the %d arguments", (int)count);
        return outcome_result(out, json_incref(json_array_get(in->args, (size_t)at)));
}

/* ---- celery.backend_cleanup: Redis lets results expire by itself, and a reply queue holds none ---- */

static int clean_up(const struct task_input *in, struct outcome *out, struct problem *why)
{
        (void)in, (void)why;
        return outcome_result(out, json_null());
}

/* ---- celery.map, celery.starmap: one task for each item, here and now ---- */

static int cant_map(const char *name, struct problem *why)
{
        return problem_set(
                why, "task", "unsupported",
                "%s can't be mapped over items within one task, because it works on a job's document, calls a "
                "model or sends tasks: send a group of it",
                name);
}

static int find_mapped(const struct task_input *in, const struct task **out, struct problem *why)
{
        const json_t *task = json_object_get(in->kwargs, "task");
        const char *name = json_is_string(task) ? json_string_value(task) : json_text(task, "task", NULL);
        *out = name ? task_in(in->task->set, name) : NULL;
        if (!json_is_array(json_object_get(in->kwargs, "it")))
                return problem_set(why, "task", "bad_arguments", "%s needs a task and an array of items, \"it\"",
                                   in->task->def->name);
        if (!*out)
                return problem_set(why, "task", "unknown_task", "no task is named \"%.100s\"", name ? name : "");
        const struct task_def *def = (*out)->def;
        if (!(def->flags & TASK_PLAIN) || !def->run || def->run == in->task->def->run)
                return cant_map(name, why);
        return 0;
}

static int run_item(const struct task_input *in, const struct task *task, json_t *args, json_t *results,
                    struct problem *why)
{
        struct outcome one;
        json_t *kwargs = json_object();
        const struct task_input input = {
                .document = in->document, .args = args, .kwargs = kwargs, .arena = in->arena, .task = task
        };
        int rc = kwargs ? outcome_open(&one, in->arena) : -ENOMEM;
        if (rc == 0) {
                rc = task->def->run(&input, &one, why);
                if (rc == 0 && one.sends)
                        rc = cant_map(task->def->name, why);
                if (rc == 0)
                        rc = json_array_append(results, one.result ? one.result : json_null()) ? -ENOMEM : 0;
                outcome_close(&one);
        }
        json_decref(kwargs);
        return rc;
}

static int map_items(const struct task_input *in, struct outcome *out, struct problem *why, bool star)
{
        const struct task *task;
        const json_t *items = json_object_get(in->kwargs, "it");
        json_t *results = json_array();
        int rc = results ? find_mapped(in, &task, why) : -ENOMEM;
        for (size_t i = 0; rc == 0 && i < json_array_size(items); i++) {
                json_t *item = json_array_get(items, i);
                json_t *args = star ? json_incref(item) : json_pack("[O]", item);
                if (json_is_array(args))
                        rc = run_item(in, task, args, results, why);
                else
                        rc = args ? problem_set(why, "task", "bad_arguments", "item %zu is no array of arguments", i)
                                  : -ENOMEM;
                json_decref(args);
        }
        if (rc == 0)
                return outcome_result(out, results);
        json_decref(results);
        return rc;
}

static int builtin_map(const struct task_input *in, struct outcome *out, struct problem *why)
{
        return map_items(in, out, why, false);
}

static int builtin_starmap(const struct task_input *in, struct outcome *out, struct problem *why)
{
        return map_items(in, out, why, true);
}

/* ---- celery.group, .chord, .chunks: a canvas that is sent on from here ---- */

static json_t *celery_argument(const struct task_input *in, size_t index, const char *name)
{
        json_t *given = json_array_get(in->args, index);
        return given ? given : json_object_get(in->kwargs, name);
}

static int bad_arguments(const struct task_input *in, struct problem *why, const char *wanted)
{
        return problem_set(why, "task", "bad_arguments", "%s needs %s", in->task->def->name, wanted);
}

static json_t *builtin_canvas(const char *type, const char *name, json_t *kwargs_takes, json_t *options_takes)
{
        return json_pack("{s:s, s:[], s:o, s:o, s:s, s:b}", "task", name, "args", "kwargs", kwargs_takes, "options",
                         options_takes, "subtask_type", type, "immutable", 0);
}

/* The tasks with `first` before their arguments. New reference. */
static json_t *with_arguments(const json_t *tasks, const json_t *first)
{
        json_t *all = json_array();
        for (size_t i = 0; i < json_array_size(tasks); i++) {
                json_t *task = json_copy(json_array_get(tasks, i)), *args = json_array();
                json_array_extend(args, (json_t *)first);
                json_array_extend(args, json_object_get(task, "args"));
                if (json_is_object(task) && !json_is_true(json_object_get(task, "immutable")))
                        json_object_set(task, "args", args);
                json_decref(args);
                json_array_append_new(all, task);
        }
        return all;
}

static int celery_send_group(const struct task_input *in, struct outcome *out, struct problem *why)
{
        const json_t *tasks = celery_argument(in, 0, "tasks"), *id = celery_argument(in, 2, "group_id");
        const json_t *first = celery_argument(in, 3, "partial_args");
        if (!json_is_array(tasks) || !json_is_string(id))
                return bad_arguments(in, why, "an array of signatures, \"tasks\", and a \"group_id\"");
        json_t *kwargs = json_pack("{s:o}", "tasks", with_arguments(tasks, first));
        return outcome_canvas(out, builtin_canvas("group", "celery.group", kwargs, json_pack("{s:O}", "task_id", id)));
}

static int send_chord(const struct task_input *in, struct outcome *out, struct problem *why)
{
        const json_t *header = celery_argument(in, 0, "header"), *body = celery_argument(in, 1, "body");
        const json_t *first = celery_argument(in, 2, "partial_args");
        if (json_is_object(header))
                header = json_object_get(json_object_get(header, "kwargs"), "tasks");
        if (!json_is_array(header) || !json_is_object(body))
                return bad_arguments(in, why,
                                     "a \"header\", a group or an array of signatures, and a signature, \"body\"");
        json_t *kwargs = json_pack("{s:o, s:O}", "header", with_arguments(header, first), "body", body);
        return outcome_canvas(out, builtin_canvas("chord", "celery.chord", kwargs, json_object()));
}

/* Every n items are one celery.starmap. New reference. */
static json_t *celery_cut(const json_t *task, const json_t *items, size_t n)
{
        json_t *parts = json_array(), *part = NULL;
        for (size_t i = 0; i < json_array_size(items); i++) {
                if (i % n == 0) {
                        part = json_array();
                        json_array_append_new(parts, json_pack("{s:s, s:[], s:{s:O, s:o}, s:{}, s:n, s:b}", "task",
                                                               "celery.starmap", "args", "kwargs", "task", task, "it",
                                                               part, "options", "subtask_type", "immutable", 1));
                }
                json_array_append(part, json_array_get(items, i));
        }
        return parts;
}

static int send_chunks(const struct task_input *in, struct outcome *out, struct problem *why)
{
        const json_t *task = celery_argument(in, 0, "task"), *items = celery_argument(in, 1, "it"),
                     *n = celery_argument(in, 2, "n");
        if (!task || !json_is_array(items) || json_integer_value(n) < 1)
                return bad_arguments(in, why,
                                     "a \"task\", an array of items, \"it\", and their number in a part, \"n\"");
        json_t *parts = celery_cut(task, items, (size_t)json_integer_value(n));
        return outcome_canvas(
                out, builtin_canvas("group", "celery.group", json_pack("{s:o}", "tasks", parts), json_object()));
}

/* ---- celery.chain: a name that Celery keeps, but never a task ---- */

static int no_task(const struct task_input *in, struct outcome *out, struct problem *why)
{
        (void)out;
        return problem_set(why, "task", "unsupported",
                           "%s is not a real task: send the canvas with its own apply_async, or as a step of a chain",
                           in->task->def->name);
}

/* ---- celery.chord_unlock: asks a result backend again and again whether a header is complete. Celery sends it only where its client's
 * backend can't count, and no such backend is one that results are stored in here: it would never be complete ---- */

static int celery_unlock(const struct task_input *in, struct outcome *out, struct problem *why)
{
        (void)in, (void)out;
        return problem_set(
                why, "task", "unsupported",
                "the client's result backend can't count a chord by itself and asks for polling: give it a redis:// result "
                "backend, and chard the same in CHARD_RESULT_URL");
}

const struct task_def celery_accumulate = { .name = "celery.accumulate", .run = builtin_accumulate, BUILT_IN };
const struct task_def celery_backend_cleanup = { .name = "celery.backend_cleanup", .run = clean_up, BUILT_IN };
const struct task_def celery_map = { .name = "celery.map", .run = builtin_map, BUILT_IN };
const struct task_def celery_starmap = { .name = "celery.starmap", .run = builtin_starmap, BUILT_IN };
const struct task_def celery_chain = { .name = "celery.chain", .run = no_task, BUILT_IN };
const struct task_def celery_group = { .name = "celery.group", .run = celery_send_group, BUILT_IN };
const struct task_def celery_chord = { .name = "celery.chord", .run = send_chord, BUILT_IN };
const struct task_def celery_chunks = { .name = "celery.chunks", .run = send_chunks, BUILT_IN };
const struct task_def celery_chord_unlock = { .name = "celery.chord_unlock", .run = celery_unlock, BUILT_IN };
