/* SPDX-License-Identifier: Apache-2.0 */
#include "dlq/letter.h"

#include "tasks/task.h"

#include <string.h>

static bool is_queue(const char *queue)
{
        for (size_t i = 0; task_registry[i]; i++)
                if (strcmp(task_registry[i]->queue, queue) == 0)
                        return true;
        return false;
}

static bool is(const char *text, const char *other)
{
        return strcmp(text, other) == 0;
}

enum letter_fate letter_fate(const struct dead_letter *l, const char *to)
{
        if (!is(l->state, "kept"))
                return FATE_CLOSED;
        if (is(l->task_state, "REVOKED"))
                return FATE_REVOKED;
        if (is(l->task_state, "SUCCESS"))
                return is(l->job_state, "SUCCESS") || !*l->job_state ? FATE_SUCCEEDED : FATE_RESUMED;
        if (is(l->task_state, "STARTED"))
                return FATE_ALIVE;
        if (!is_queue(to ? to : l->queue))
                return FATE_NO_QUEUE;
        if (is(l->error_source, "message") && is(l->error_code, "bad_properties"))
                return FATE_UNREADABLE;
        return task_find(l->name) ? FATE_SENT : FATE_HOPELESS;
}

const char *letter_fate_text(enum letter_fate fate)
{
        static const char *const texts[FATE_COUNT] = {
                [FATE_SENT] = "is sent to its queue and runs anew, with all of its attempts",
                [FATE_RESUMED] =
                        "has succeeded, but nothing followed: it does not run again, only its next task is published",
                [FATE_SUCCEEDED] = "has succeeded meanwhile: nothing is sent, the entry is closed as resolved",
                [FATE_ALIVE] = "is being run by a worker: nothing is sent unless that worker's lease has ended",
                [FATE_REVOKED] = "was revoked: nothing is sent",
                [FATE_NO_QUEUE] =
                        "came from a queue that no task of this program has: nothing is sent; name another with --to",
                [FATE_UNREADABLE] =
                        "had properties that could not be read: it can't be sent as it was; export or discard it",
                [FATE_HOPELESS] =
                        "is no task that this program knows: it is sent, and dies again unless a worker knows it by now",
                [FATE_CLOSED] = "is not kept any more: nothing is done",
        };
        return texts[fate];
}

int letter_message(const struct dead_letter *l, const char *to, struct message **out, struct problem *why)
{
        return message_revive(to ? to : l->queue, l->properties, l->edited.data ? l->edited : l->body, out, why);
}
