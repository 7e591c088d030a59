/* SPDX-License-Identifier: Apache-2.0 */
/* Celery's own tasks (celery.app.builtins), as far as a client can send them. They stand in Celery's default queue, which no worker
 * consumes unless -Q celery names it; in any other queue that is consumed they work as well. */
#include "core/json.h"
#include "tasks/task.h"

#include <errno.h>

#define BUILT_IN                                                                                            \
        .queue = "celery", .retry = { .limit = 3, .base_ms = 1000, .cap_ms = 60000 }, .deadline_ms = 10000, \
        .flags = TASK_DIAGNOSTIC | TASK_PLAIN | TASK_STATELESS

/* ---- celery.accumulate: what it was given, or one of it ---- */

static int accumulate(const struct task_input *in, struct outcome *out, struct problem *why)
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

static int find_mapped(const struct task_input *in, const struct task_def **out, struct problem *why)
{
        const json_t *task = json_object_get(in->kwargs, "task");
        const char *name = json_is_string(task) ? json_string_value(task) : json_text(task, "task", NULL);
        *out = name ? task_find(name) : NULL;
        if (!json_is_array(json_object_get(in->kwargs, "it")))
                return problem_set(why, "task", "bad_arguments", "%s needs a task and an array of items, \"it\"",
                                   in->def->name);
        if (!*out)
                return problem_set(why, "task", "unknown_task", "no task is named \"%.100s\"", name ? name : "");
        if (!((*out)->flags & TASK_PLAIN) || !(*out)->run || (*out)->run == in->def->run)
                return problem_set(
                        why, "task", "unsupported",
                        "%s works on a job's document or calls a model: it can't be mapped over items within one task; "
                        "send a group of it",
                        name);
        return 0;
}

static int run_item(const struct task_input *in, const struct task_def *def, json_t *args, json_t *results,
                    struct problem *why)
{
        struct outcome one;
        json_t *kwargs = json_object();
        const struct task_input input = {
                .document = in->document, .args = args, .kwargs = kwargs, .arena = in->arena, .def = def
        };
        int rc = kwargs ? outcome_open(&one, in->arena) : -ENOMEM;
        if (rc == 0) {
                rc = def->run(&input, &one, why);
                if (rc == 0)
                        rc = json_array_append(results, one.result ? one.result : json_null()) ? -ENOMEM : 0;
                outcome_close(&one);
        }
        json_decref(kwargs);
        return rc;
}

static int map_items(const struct task_input *in, struct outcome *out, struct problem *why, bool star)
{
        const struct task_def *def;
        const json_t *items = json_object_get(in->kwargs, "it");
        json_t *results = json_array();
        int rc = results ? find_mapped(in, &def, why) : -ENOMEM;
        for (size_t i = 0; rc == 0 && i < json_array_size(items); i++) {
                json_t *item = json_array_get(items, i);
                json_t *args = star ? json_incref(item) : json_pack("[O]", item);
                if (json_is_array(args))
                        rc = run_item(in, def, args, results, why);
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

static int map(const struct task_input *in, struct outcome *out, struct problem *why)
{
        return map_items(in, out, why, false);
}

static int starmap(const struct task_input *in, struct outcome *out, struct problem *why)
{
        return map_items(in, out, why, true);
}

/* ---- celery.chain, .group, .chord, .chunks: no tasks, but names of canvases ---- */

static int no_task(const struct task_input *in, struct outcome *out, struct problem *why)
{
        (void)out;
        return problem_set(why, "task", "unsupported",
                           "%s is not a real task: send the canvas with its own apply_async, or as a step of a chain",
                           in->def->name);
}

/* ---- celery.chord_unlock: asks a result backend again and again, which is not how chords are counted here ---- */

static int unlock(const struct task_input *in, struct outcome *out, struct problem *why)
{
        (void)in, (void)out;
        return problem_set(
                why, "task", "unsupported",
                "the client's result backend can't count a chord by itself and asks for polling: give it a redis:// result "
                "backend, and chard the same in CHARD_RESULT_URL");
}

const struct task_def celery_accumulate = { .name = "celery.accumulate", .run = accumulate, BUILT_IN };
const struct task_def celery_backend_cleanup = { .name = "celery.backend_cleanup", .run = clean_up, BUILT_IN };
const struct task_def celery_map = { .name = "celery.map", .run = map, BUILT_IN };
const struct task_def celery_starmap = { .name = "celery.starmap", .run = starmap, BUILT_IN };
const struct task_def celery_chain = { .name = "celery.chain", .run = no_task, BUILT_IN };
const struct task_def celery_group = { .name = "celery.group", .run = no_task, BUILT_IN };
const struct task_def celery_chord = { .name = "celery.chord", .run = no_task, BUILT_IN };
const struct task_def celery_chunks = { .name = "celery.chunks", .run = no_task, BUILT_IN };
const struct task_def celery_chord_unlock = { .name = "celery.chord_unlock", .run = unlock, BUILT_IN };
