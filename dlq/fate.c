/* SPDX-License-Identifier: Apache-2.0 */
#include "dlq/letter.h"

#include "catalog/catalog.h"

#include <string.h>

static bool is_queue(const struct catalog *catalog, const char *queue)
{
        const struct task_set *set = catalog_tasks(catalog);
        for (size_t i = 0; i < set->count; i++)
                if (strcmp(set->tasks[i].def->queue, queue) == 0)
                        return true;
        return catalog_consumer_of_queue(catalog, queue) != NULL;
}

/* A task, or a consumer of events: its letters are requeued to it alone. */
static bool fate_is_known(const struct catalog *catalog, const char *name)
{
        return catalog_task(catalog, name) || catalog_consumer(catalog, name);
}

static bool is(const char *text, const char *other)
{
        return strcmp(text, other) == 0;
}

enum letter_fate letter_fate(const struct catalog *catalog, const struct dead_letter *l, const char *to)
{
        if (!is(l->state, "kept"))
                return FATE_CLOSED;
        if (!is_queue(catalog, to ? to : l->queue))
                return FATE_NO_QUEUE;
        if (is(l->task_state, "REVOKED"))
                return FATE_REVOKED;
        if (is(l->task_state, "SUCCESS") && (is(l->job_state, "SUCCESS") || !*l->job_state || l->followed))
                return FATE_SUCCEEDED;
        if (is(l->task_state, "STARTED") && l->leased)
                return FATE_ALIVE;
        if (l->waits)
                return FATE_WAITING;
        if (is(l->task_state, "SUCCESS"))
                return FATE_RESUMED;
        return fate_is_known(catalog, l->name) ? FATE_SENT : FATE_HOPELESS;
}

const char *letter_fate_text(enum letter_fate fate)
{
        static const char *const texts[FATE_COUNT] = {
                [FATE_SENT] = "is sent to its queue and runs anew, with all of its attempts",
                [FATE_RESUMED] =
                        "has succeeded, but nothing followed: it does not run again, only its next task is published",
                [FATE_SUCCEEDED] = "has succeeded meanwhile: nothing is sent, the entry is closed as resolved",
                [FATE_ALIVE] = "is being run by a worker: nothing is sent",
                [FATE_WAITING] = "is scheduled already, to be sent when it is due: nothing is sent a second time",
                [FATE_REVOKED] = "was revoked: nothing is sent",
                [FATE_NO_QUEUE] =
                        "came from a queue that no task of this program has: nothing is sent; name another with --to",
                [FATE_UNREADABLE] =
                        "had properties that could not be read: it can't be sent as it was; export or discard it",
                [FATE_UNDECODABLE] =
                        "can't be read as one by chard's workers: it is sent, and dies again unless another program reads it",
                [FATE_MISTAKEN] =
                        "does not take such arguments: it is sent, and dies again; change them with chard dlq edit",
                [FATE_HOPELESS] =
                        "is no task that this program knows: it is sent, and dies again unless a worker knows it by now",
                [FATE_CLOSED] = "is not kept any more: nothing is done",
        };
        return texts[fate];
}

bool letter_fate_hinders(enum letter_fate fate)
{
        return fate == FATE_NO_QUEUE || fate == FATE_UNREADABLE;
}

bool letter_fate_dooms(enum letter_fate fate)
{
        return fate == FATE_HOPELESS || fate == FATE_UNDECODABLE || fate == FATE_MISTAKEN;
}

/* As a worker will find it. */
static enum letter_fate decode(const struct catalog *catalog, const struct message *m, size_t max_body,
                               enum letter_fate fate, struct problem *why)
{
        struct arena a = { 0 };
        struct task_message read = { 0 };
        const int code = task_message_decode(&a, m->properties, m->body, max_body, &read, why);
        if (code > 0)
                fate = FATE_UNDECODABLE;
        else if (code == 0 && !fate_is_known(catalog, read.name))
                fate = FATE_HOPELESS;
        else if (code == 0 && letter_check_arguments(catalog, &read, why) > 0)
                fate = FATE_MISTAKEN;
        task_message_clear(&read);
        arena_free(&a);
        return fate;
}

enum letter_fate letter_judge(const struct catalog *catalog, const struct dead_letter *l, const char *to,
                              size_t max_body, struct message **out, struct problem *why)
{
        enum letter_fate fate = letter_fate(catalog, l, to);
        struct message *message = NULL;
        if (out)
                *out = NULL;
        if (!l->properties.data || fate == FATE_CLOSED || fate == FATE_NO_QUEUE)
                return fate;
        if (letter_message(l, to, &message, why) != 0)
                return FATE_UNREADABLE;
        if (fate == FATE_SENT || fate == FATE_HOPELESS)
                fate = decode(catalog, message, max_body, fate, why);
        if (out)
                *out = message;
        else
                message_free(message);
        return fate;
}

int letter_message(const struct dead_letter *l, const char *to, struct message **out, struct problem *why)
{
        return message_revive(to ? to : l->queue, l->properties, l->edited.data ? l->edited : l->body, out, why);
}
