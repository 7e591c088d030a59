/* SPDX-License-Identifier: Apache-2.0 */
/* Two tasks that do nothing, to prove a deployment's path and to measure it: chard.echo never touches the store,
 * chard.note goes through it like any other task. No worker consumes them unless -Q names them. */
#include "tasks/task.h"

static int echo_nothing(const struct task_input *in, struct outcome *out, struct problem *why)
{
        (void)in;
        (void)out;
        (void)why;
        return 0;
}

const struct task_def chard_echo = {
        .name = "chard.echo",
        .queue = "chard.echo",
        .retry = { .limit = 3, .base_ms = 1000, .cap_ms = 60000 },
        .deadline_ms = 10000,
        .flags = TASK_STATELESS | TASK_DIAGNOSTIC,
        .run = echo_nothing,
};

const struct task_def chard_note = {
        .name = "chard.note",
        .queue = "chard.note",
        .retry = { .limit = 3, .base_ms = 1000, .cap_ms = 60000 },
        .deadline_ms = 10000,
        .flags = TASK_DIAGNOSTIC,
        .run = echo_nothing,
};
