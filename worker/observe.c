/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/observe.h"

#include <stddef.h>

static const char *const names[RUN_EVENT_KINDS] = {
        [RUN_RECEIVED] = "received",       [RUN_CLAIMED] = "claimed",     [RUN_WORKED] = "worked",
        [RUN_CALLING] = "calling",         [RUN_ANSWERED] = "answered",   [RUN_PAUSED] = "paused",
        [RUN_RETRYING] = "retrying",       [RUN_SCHEDULED] = "scheduled", [RUN_COMMITTED] = "committed",
        [RUN_SENDING] = "sending",         [RUN_PUBLISHED] = "published", [RUN_DEAD] = "dead",
        [RUN_BURIED] = "buried",           [RUN_REVOKED] = "revoked",     [RUN_ACKED] = "acked",
        [RUN_HANDED_BACK] = "handed back",
};

const char *run_event_name(enum run_event_kind kind)
{
        return names[kind];
}

static void observing_adjust(struct observing *all)
{
        all->kinds = all->kinds_of_recorded = 0;
        for (const struct observer *o = all->first; o; o = o->next) {
                all->kinds |= o->kinds;
                all->kinds_of_recorded |= o->kinds_of_recorded;
        }
}

void observing_add(struct observing *all, struct observer *o)
{
        struct observer **end = &all->first;
        while (*end)
                end = &(*end)->next;
        *end = o;
        o->next = NULL;
        observing_adjust(all);
}

void observing_want(struct observing *all, struct observer *o, unsigned kinds)
{
        o->kinds = kinds;
        observing_adjust(all);
}

void observing_tell(const struct observing *all, const struct run_event *e)
{
        const bool recorded = e->trace && e->trace->on;
        for (struct observer *o = all->first, *next; o; o = next) {
                next = o->next;
                if ((o->kinds | (recorded ? o->kinds_of_recorded : 0)) & RUN_BIT(e->kind))
                        o->tell(o, e);
        }
}
