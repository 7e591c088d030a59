/* SPDX-License-Identifier: Apache-2.0 */
#include "duties/lead.h"

#include "core/clock.h"
#include "core/id.h"
#include "core/json.h"
#include "core/log.h"

#include <stdio.h>
#include <string.h>

/* The store begins the lease when it hears the question, we when we asked: ours always ends first. */
enum { LEAD_TURNS = 3, LEAD_SOONEST_MS = 20, LEAD_MOMENT_MS = 200 };

static void lead_ask(struct lead *l, unsigned lease_ms);

bool lead_is_ours(const struct lead *l)
{
        return clock_mono_ms() + LEAD_MOMENT_MS < l->until_ms;
}

static void lead_tell(struct lead *l)
{
        const bool leads = !l->stopped && lead_is_ours(l);
        if (leads == l->told)
                return;
        l->told = leads;
        l->changed(l->arg);
}

/* ---- asking ---- */

static void on_lead_timer(uv_timer_t *timer)
{
        struct lead *l = (struct lead *)timer->data;
        lead_tell(l);
        if (!l->asking && l->store->backend->up(l->store))
                lead_ask(l, l->lease_ms);
        else
                uv_timer_start(&l->timer, on_lead_timer, l->lease_ms / LEAD_TURNS, 0);
}

static void lead_note_holder(struct lead *l, const char *holder)
{
        if (strcmp(l->holder, holder) == 0)
                return;
        snprintf(l->holder, sizeof(l->holder), "%s", holder);
        log_info(l->area, "%s %s", *holder ? holder : "nobody", l->does);
}

static void on_lead_answer(json_t *lease, const struct problem *why, void *arg)
{
        struct lead *l = (struct lead *)arg;
        const uint64_t turn_ms = l->lease_ms / LEAD_TURNS, left_ms = (uint64_t)json_number(lease, "wait_ms", 0);
        l->asking = false;
        if (l->stopped)
                return;
        const bool ours = !why && json_is_true(json_object_get(lease, "mine"));
        if (ours)
                l->until_ms = l->asked_ms + l->lease_ms;
        if (why)
                log_warn(l->area, "who %s could not be settled, and is asked again: %s", l->does, why->text);
        else
                lead_note_holder(l, json_text(lease, "holder", ""));
        lead_tell(l);
        const uint64_t wait_ms = ours || why || left_ms > turn_ms ? turn_ms : left_ms;
        uv_timer_start(&l->timer, on_lead_timer, wait_ms > LEAD_SOONEST_MS ? wait_ms : LEAD_SOONEST_MS, 0);
}

static void on_lead_given_back(json_t *lease, const struct problem *why, void *arg)
{
        struct lead *l = (struct lead *)arg;
        (void)lease, (void)why;
        l->back(l->arg);
}

static void lead_ask(struct lead *l, unsigned lease_ms)
{
        const struct lease_ask ask = { .name = l->lease, .holder = l->name, .token = l->token, .lease_ms = lease_ms };
        l->asked_ms = clock_mono_ms();
        l->asking = lease_ms > 0;
        l->store->fleet->lease(l->store, &ask, l->asking ? on_lead_answer : on_lead_given_back, l);
}

/* ---- its life ---- */

void lead_start(struct lead *l, uv_loop_t *loop)
{
        id_new(l->token);
        uv_timer_init(loop, &l->timer);
        l->timer.data = l;
        uv_timer_start(&l->timer, on_lead_timer, 0, 0);
}

void lead_stop(struct lead *l)
{
        if (l->stopped)
                return;
        const bool ours = lead_is_ours(l);
        l->stopped = true;
        l->until_ms = 0;
        uv_timer_stop(&l->timer);
        if (ours && l->store->backend->up(l->store))
                lead_ask(l, 0);
        else
                l->back(l->arg);
}

void lead_close(struct lead *l, uv_close_cb closed)
{
        l->stopped = true;
        l->until_ms = 0;
        uv_close((uv_handle_t *)&l->timer, closed);
}
