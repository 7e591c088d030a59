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
static bool disposition_is_known(const struct catalog *catalog, const char *name)
{
        return catalog_task(catalog, name) || catalog_consumer(catalog, name);
}

static bool disposition_is(const char *text, const char *other)
{
        return strcmp(text, other) == 0;
}

enum letter_disposition letter_disposition_of(const struct catalog *catalog, const struct dead_letter *l,
                                              const char *to)
{
        if (!disposition_is(l->state, "kept"))
                return DISPOSITION_CLOSED;
        if (!is_queue(catalog, to ? to : l->queue))
                return DISPOSITION_NO_QUEUE;
        if (disposition_is(l->task_state, "REVOKED"))
                return DISPOSITION_REVOKED;
        if (disposition_is(l->task_state, "SUCCESS") &&
            (disposition_is(l->job_state, "SUCCESS") || !*l->job_state || l->followed))
                return DISPOSITION_SUCCEEDED;
        if (disposition_is(l->task_state, "STARTED") && l->leased)
                return DISPOSITION_ALIVE;
        if (l->waits)
                return DISPOSITION_WAITING;
        if (disposition_is(l->task_state, "SUCCESS"))
                return DISPOSITION_RESUMED;
        return disposition_is_known(catalog, l->name) ? DISPOSITION_SENT : DISPOSITION_HOPELESS;
}

const char *letter_disposition_text(enum letter_disposition disposition)
{
        static const char *const texts[DISPOSITION_COUNT] = {
                [DISPOSITION_SENT] = "is sent to its queue and runs anew, with all of its attempts",
                [DISPOSITION_RESUMED] =
                        "has succeeded, but nothing followed: it does not run again, only its next task is published",
                [DISPOSITION_SUCCEEDED] = "has succeeded meanwhile: nothing is sent, the entry is closed as resolved",
                [DISPOSITION_ALIVE] = "is being run by a worker: nothing is sent",
                [DISPOSITION_WAITING] =
                        "is scheduled already, to be sent when it is due: nothing is sent a second time",
                [DISPOSITION_REVOKED] = "was revoked: nothing is sent",
                [DISPOSITION_NO_QUEUE] =
                        "came from a queue that no task of this program has: nothing is sent; name another with --to",
                [DISPOSITION_UNREADABLE] =
                        "had properties that could not be read: it can't be sent as it was; export or discard it",
                [DISPOSITION_UNDECODABLE] =
                        "can't be read as one by chard's workers: it is sent, and dies again unless another program reads it",
                [DISPOSITION_MISTAKEN] =
                        "does not take such arguments: it is sent, and dies again; change them with chard dlq edit",
                [DISPOSITION_HOPELESS] =
                        "is no task that this program knows: it is sent, and dies again unless a worker knows it by now",
                [DISPOSITION_CLOSED] = "is not kept any more: nothing is done",
        };
        return texts[disposition];
}

bool letter_disposition_hinders(enum letter_disposition disposition)
{
        return disposition == DISPOSITION_NO_QUEUE || disposition == DISPOSITION_UNREADABLE;
}

bool letter_disposition_dooms(enum letter_disposition disposition)
{
        return disposition == DISPOSITION_HOPELESS || disposition == DISPOSITION_UNDECODABLE ||
               disposition == DISPOSITION_MISTAKEN;
}

/* As a worker will find it. */
static enum letter_disposition disposition_decode(const struct catalog *catalog, const struct message *m,
                                                  size_t max_body, enum letter_disposition disposition,
                                                  struct problem *why)
{
        struct arena a = { 0 };
        struct task_message read = { 0 };
        const int code = task_message_decode(&a, m->properties, m->body, max_body, &read, why);
        if (code > 0)
                disposition = DISPOSITION_UNDECODABLE;
        else if (code == 0 && !disposition_is_known(catalog, read.name))
                disposition = DISPOSITION_HOPELESS;
        else if (code == 0 && letter_check_arguments(catalog, &read, why) > 0)
                disposition = DISPOSITION_MISTAKEN;
        task_message_clear(&read);
        arena_free(&a);
        return disposition;
}

enum letter_disposition letter_judge(const struct catalog *catalog, const struct dead_letter *l, const char *to,
                                     size_t max_body, struct message **out, struct problem *why)
{
        enum letter_disposition disposition = letter_disposition_of(catalog, l, to);
        struct message *message = NULL;
        if (out)
                *out = NULL;
        if (!l->properties.data || disposition == DISPOSITION_CLOSED || disposition == DISPOSITION_NO_QUEUE)
                return disposition;
        if (letter_message(l, to, &message, why) != 0)
                return DISPOSITION_UNREADABLE;
        if (disposition == DISPOSITION_SENT || disposition == DISPOSITION_HOPELESS)
                disposition = disposition_decode(catalog, message, max_body, disposition, why);
        if (out)
                *out = message;
        else
                message_free(message);
        return disposition;
}

int letter_message(const struct dead_letter *l, const char *to, struct message **out, struct problem *why)
{
        return message_revive(to ? to : l->queue, l->properties, l->edited.data ? l->edited : l->body, out, why);
}

json_t *dlq_dispositions_json(const size_t counts[DISPOSITION_COUNT])
{
        static const char *const names[DISPOSITION_COUNT] = {
                [DISPOSITION_SENT] = "sent",
                [DISPOSITION_RESUMED] = "resumed",
                [DISPOSITION_SUCCEEDED] = "succeeded",
                [DISPOSITION_ALIVE] = "alive",
                [DISPOSITION_WAITING] = "waiting",
                [DISPOSITION_REVOKED] = "revoked",
                [DISPOSITION_NO_QUEUE] = "no_queue",
                [DISPOSITION_UNREADABLE] = "unreadable",
                [DISPOSITION_UNDECODABLE] = "undecodable",
                [DISPOSITION_MISTAKEN] = "mistaken",
                [DISPOSITION_HOPELESS] = "hopeless",
                [DISPOSITION_CLOSED] = "closed",
        };
        json_t *all = json_object();
        for (int i = 0; i < DISPOSITION_COUNT; i++)
                if (counts[i] > 0)
                        json_object_set_new(all, names[i], json_integer((json_int_t)counts[i]));
        return all;
}
