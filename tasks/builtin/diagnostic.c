/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks that calculate a little, to prove with real canvases that results, chains and chords arrive: no worker consumes them
 * unless -Q chard.tasks names them. Any of them is two lines in Python, for comparing. */
#include "tasks/task.h"

#include <errno.h>
#include <math.h>

#define DIAGNOSTIC                                                                                               \
        .queue = "chard.tasks", .retry = { .limit = 3, .base_ms = 1000, .cap_ms = 60000 }, .deadline_ms = 10000, \
        .flags = TASK_DIAGNOSTIC | TASK_PLAIN

static int not_numbers(struct problem *why, const char *task)
{
        return problem_set(why, "task", "bad_arguments", "%s adds numbers, and lists of them", task);
}

struct total {
        json_int_t whole;
        double real;
        bool is_real, too_large;
};

/* Adds up numbers, however deep they stand in arrays. False at anything else. */
static bool add_up(const json_t *value, struct total *total)
{
        if (json_is_integer(value)) {
                total->too_large |= __builtin_add_overflow(total->whole, json_integer_value(value), &total->whole);
                return true;
        }
        if (json_is_real(value)) {
                total->is_real = true;
                total->real += json_real_value(value);
                return true;
        }
        bool fine = json_is_array(value);
        for (size_t i = 0; fine && i < json_array_size(value); i++)
                fine = add_up(json_array_get(value, i), total);
        return fine;
}

static int diagnostic_sum(const struct task_input *in, struct outcome *out, struct problem *why)
{
        struct total total = { 0 };
        if (!add_up(in->args, &total))
                return not_numbers(why, in->task->def->name);
        const double real = total.real + (double)total.whole;
        if (total.too_large || !isfinite(real))
                return problem_set(why, "task", "overflow", "the sum is beyond what a %s holds",
                                   total.is_real ? "64-bit floating-point number" : "64-bit integer");
        return outcome_result(out, total.is_real ? json_real(real) : json_integer(total.whole));
}

static int diagnostic_same(const struct task_input *in, struct outcome *out, struct problem *why)
{
        (void)why;
        json_t *only = json_array_size(in->args) == 1 ? json_array_get(in->args, 0) : (json_t *)in->args;
        return outcome_result(out, json_incref(only));
}

static int diagnostic_told(const struct task_input *in, struct outcome *out, struct problem *why)
{
        (void)why;
        return outcome_result(out, json_pack("{s:O, s:O}", "args", in->args, "kwargs", in->kwargs));
}

static int diagnostic_fail(const struct task_input *in, struct outcome *out, struct problem *why)
{
        const char *text = json_string_value(json_array_get(in->args, json_array_size(in->args) - 1));
        (void)out;
        if (json_is_true(json_object_get(in->kwargs, "broken")))
                return -EIO; /* as one with a bug would */
        return problem_set(why, "task", "bad_value", "%s", text ? text : "failed, as it was asked to");
}

/* An errback of the new style: what it was told, but for what no two workers say alike. */
static int diagnostic_failed(const struct task_input *in, struct outcome *out, struct problem *why)
{
        const json_t *request = json_array_get(in->args, 0), *exception = json_array_get(in->args, 1);
        const json_t *traceback = json_array_get(in->args, 2);
        if (!json_is_object(request) || !json_is_object(exception) || json_array_size(in->args) < 3)
                return problem_set(why, "task", "bad_arguments", "%s wants request, exc and traceback",
                                   in->task->def->name);
        json_t *rest = json_copy((json_t *)in->args);
        for (int i = 0; i < 3; i++)
                json_array_remove(rest, 0);
        return outcome_result(out, json_pack("{s:O?, s:O?, s:O?, s:O?, s:O?, s:O?, s:b, s:o}", "id",
                                             json_object_get(request, "id"), "task", json_object_get(request, "task"),
                                             "args", json_object_get(request, "args"), "kwargs",
                                             json_object_get(request, "kwargs"), "type",
                                             json_object_get(exception, "exc_type"), "message",
                                             json_object_get(exception, "exc_message"), "traceback",
                                             json_is_string(traceback), "rest", rest));
}

const struct task_def chard_add = { .name = "chard.add", .run = diagnostic_sum, DIAGNOSTIC };
const struct task_def chard_same = { .name = "chard.same", .run = diagnostic_same, DIAGNOSTIC };
const struct task_def chard_args = { .name = "chard.args", .run = diagnostic_told, DIAGNOSTIC };
const struct task_def chard_fail = { .name = "chard.fail", .run = diagnostic_fail, DIAGNOSTIC };
const struct task_def chard_failed = { .name = "chard.failed", .run = diagnostic_failed, DIAGNOSTIC | TASK_ERRBACK };
