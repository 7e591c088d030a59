/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one consumer. It asks the store one thing at a time; each answer leads back to consuming_turn, which decides what is next:
 *
 *     take  ->  look at what waits  ->  read a page  ->  wave: facts  ->  think  ->  step  ->  next wave … next page
 *
 * A wave is what a batch holds that may be acted on at once (batch.h); a step stores it, and where the consumer stands, in one transaction. */
#include "consumers/consuming.h"

#include "consumers/held.h"
#include "consumers/think.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        CONSUMING_PAGE = 200,
        CONSUMING_MOST_STALES = 5,
        CONSUMING_LOOK_MS = 1000, /* a dead letter may have been requeued */
        CONSUMING_QUICK_MS = 20,  /* between two looks for news, while there are some … */
        CONSUMING_QUICK_FOR_MS = 2000,
        CONSUMING_SLOW_MS = 200,  /* … and else; */
        CONSUMING_TOUCHED_MS = 2, /* what is written together is read together */
        CONSUMING_TOLD_MS = 1000, /* or where the store tells when something is new */
        CONSUMING_AGAIN_MS = 200, /* after what failed */
        CONSUMING_STORE_MS = 250, /* a position alone, of events that it does not hear, is stored so often */
};

static void consuming_turn(struct consuming *c);

/* ---- waiting and complaining ---- */

static void consuming_on_timer(uv_timer_t *timer)
{
        consuming_turn((struct consuming *)timer->data);
}

static void consuming_wait(struct consuming *c, uint64_t wait_ms)
{
        if (!c->ended)
                uv_timer_start(&c->timer, consuming_on_timer, wait_ms, 0);
}

static const char *consuming_name(const struct consuming *c)
{
        return c->what->def->name;
}

static void consuming_complain(struct consuming *c, const char *what, const struct problem *why)
{
        if (!c->complained && (!why || strcmp(why->code, "closed") != 0))
                log_warn("consumer", "%s: %s, and is tried again: %s", consuming_name(c), what,
                         why ? why->text : "out of memory");
        c->complained = true;
        consuming_wait(c, CONSUMING_AGAIN_MS);
}

/* Others may act: what is in hand is theirs. */
static void consuming_let_go(struct consuming *c)
{
        c->taken = false;
        batch_clear(&c->batch);
        held_give_back(c->held);
        c->held = NULL;
}

/* ---- taking ---- */

static void consuming_on_taken(json_t *as, const struct problem *why, void *arg)
{
        struct consuming *c = (struct consuming *)arg;
        c->busy = false;
        held_give_back(c->held);
        c->held = NULL;
        if (!as || held_fill(&c->held, json_object_get(as, "held")) != 0) {
                consuming_complain(c, "the store can't say where it stands", why);
                return;
        }
        c->taken = true;
        c->complained = false;
        c->epoch = json_number(as, "epoch", 0);
        snprintf(c->position, sizeof(c->position), "%s", json_text(as, "position", ""));
        snprintf(c->stored, sizeof(c->stored), "%s", c->position);
        c->most = CONSUMER_STEP_MAX;
        c->look_ms = 0;
        log_info("consumer", "%s goes on %s%s", consuming_name(c), *c->position ? "after " : "from the first event",
                 c->position);
        consuming_turn(c);
}

static void consuming_take(struct consuming *c)
{
        c->busy = true;
        c->store->consumer->take(c->store, consuming_name(c), c->config->name, consuming_on_taken, c);
}

/* ---- a batch comes to its end ---- */

static void consuming_stand(struct consuming *c, const char *position)
{
        if (position)
                snprintf(c->position, sizeof(c->position), "%s", position);
}

static void consuming_end_batch(struct consuming *c)
{
        consuming_stand(c, batch_position(&c->batch));
        batch_clear(&c->batch);
}

/* ---- a step ---- */

static void consuming_count_held(struct consuming *c, const struct heard *h)
{
        const size_t count = h->position ? held_count(c->held, h->key) + 1 : h->left - (h->verdict != HEARD_WAITS);
        if (h->position && h->verdict != HEARD_WAITS)
                return;
        /* without memory it is only forgotten that others must wait behind it: begin anew, from what the store knows */
        if (held_set(c->held, h->key, count) != 0)
                c->taken = false;
}

static void consuming_tell_dead(const struct consuming *c, const struct heard *h)
{
        log_warn("consumer", "%s: the event %s (%s of %s) is a dead letter: %s: %s", consuming_name(c), h->id,
                 h->event.type, h->key, h->why.code, h->why.text);
}

static void consuming_stepped_well(struct consuming *c)
{
        const struct consumer_step *s = &c->draft.step;
        for (size_t i = 0; i < c->batch.count; i++) {
                const struct heard *h = &c->batch.list[i];
                if (h->state != HEARD_NOW)
                        continue;
                consuming_count_held(c, h);
                if (h->verdict == HEARD_DIES)
                        consuming_tell_dead(c, h);
        }
        if (s->wait_count > 0 || s->later_count > 0 || s->over_count > 0)
                c->look_ms = 0;
        if (s->position) {
                snprintf(c->stored, sizeof(c->stored), "%s", s->position);
                memcpy(c->position, c->stored, sizeof(c->position));
                c->stored_ms = clock_mono_ms();
        }
        batch_unmark(&c->batch, HEARD_OVER);
        c->complained = false;
        if (s->item_count > 0 && c->acted)
                c->acted(c);
        c->most = c->most < CONSUMER_STEP_MAX / 2 ? 2 * c->most : CONSUMER_STEP_MAX;
}

static struct heard *consuming_only(struct consuming *c)
{
        struct heard *only = NULL;
        for (size_t i = 0; i < c->batch.count; i++) {
                if (c->batch.list[i].state != HEARD_NOW)
                        continue;
                if (only)
                        return NULL;
                only = &c->batch.list[i];
        }
        return only;
}

static struct thinking consuming_thinking(struct consuming *c, const json_t *facts)
{
        return (struct thinking){ .consumer = c->what,
                                  .catalog = c->config->catalog,
                                  .routes = c->routes,
                                  .held = c->held,
                                  .facts = facts,
                                  .worker = c->config->name,
                                  .now_ms = clock_wall_ms() };
}

static void consuming_step(struct consuming *c);

/* One of several is not to be stored: they go one by one, until it stands alone, as a dead letter. */
static void consuming_on_refused(struct consuming *c, const struct problem *why)
{
        struct heard *only = consuming_only(c);
        const struct thinking t = consuming_thinking(c, NULL);
        if (!only && c->draft.step.item_count == 0 && c->batch.count == 0) {
                consuming_complain(c, "its position can't be stored", why);
                return;
        }
        if (!only) {
                c->most = 1;
                batch_unmark(&c->batch, HEARD_OPEN);
                consuming_turn(c);
                return;
        }
        if (only->verdict == HEARD_DIES && only->refused) {
                batch_unmark(&c->batch, HEARD_OPEN);
                consuming_complain(c, "a dead letter can't be stored", why);
                return;
        }
        only->refused = only->verdict == HEARD_DIES;
        if (think_refused(only, &t, why) == 0) {
                consuming_step(c);
                return;
        }
        batch_unmark(&c->batch, HEARD_OPEN);
        consuming_complain(c, "its dead letter can't be written", NULL);
}

/* With what is true now it will decide otherwise; one that does not see what it writes never would. */
static void consuming_on_stale(struct consuming *c, const struct problem *why)
{
        struct heard *only = consuming_only(c);
        if (only && ++only->stales > CONSUMING_MOST_STALES) {
                consuming_on_refused(c, why);
                return;
        }
        c->most = 1;
        batch_unmark(&c->batch, HEARD_OPEN);
        consuming_turn(c);
}

static void consuming_on_stepped(enum consumer_end end, const struct problem *why, void *arg)
{
        struct consuming *c = (struct consuming *)arg;
        c->busy = false;
        switch (end) {
        case CONSUMER_DONE: consuming_stepped_well(c); break;
        case CONSUMER_STALE: consuming_on_stale(c, why); return;
        case CONSUMER_OVERTAKEN:
                log_warn("consumer", "%s: another process has taken it; is it run twice? This one stands by",
                         consuming_name(c));
                consuming_let_go(c);
                consuming_wait(c, CONSUMING_TOLD_MS);
                return;
        case CONSUMER_REFUSED: consuming_on_refused(c, why); return;
        case CONSUMER_STARVED:
                batch_unmark(&c->batch, HEARD_OPEN);
                consuming_complain(c, "a step can't be stored", why);
                return;
        case CONSUMER_CLOSED: consuming_let_go(c); return;
        }
        consuming_turn(c);
}

static void consuming_step(struct consuming *c)
{
        step_draw(&c->draft, c->what->def, c->epoch, &c->batch);
        c->busy = true;
        c->store->consumer->step(c->store, &c->draft.step, consuming_on_stepped, c);
}

/* Where it stands, of events that it does not hear. */
static void consuming_store_position(struct consuming *c)
{
        c->draft.step =
                (struct consumer_step){ .consumer = consuming_name(c), .epoch = c->epoch, .position = c->position };
        c->busy = true;
        c->store->consumer->step(c->store, &c->draft.step, consuming_on_stepped, c);
}

/* ---- a wave ---- */

static void consuming_on_facts(json_t *facts, const struct problem *why, void *arg)
{
        struct consuming *c = (struct consuming *)arg;
        const struct thinking t = consuming_thinking(c, facts);
        c->busy = false;
        if (!why && think(&c->batch, &t) == 0) {
                consuming_step(c);
                return;
        }
        batch_unmark(&c->batch, HEARD_OPEN);
        consuming_complain(c, "what it knows can't be read", why);
}

/* In a wave no two see the same facts. */
static void consuming_wave(struct consuming *c)
{
        struct fact_set sets[CONSUMER_STEP_MAX * TASK_MOST_SEES];
        const int marked = batch_wave(&c->batch, c->most);
        size_t count = 0;
        if (marked == 0)
                consuming_end_batch(c);
        if (marked <= 0) {
                if (marked < 0)
                        consuming_complain(c, "the events in hand can't be sorted", NULL);
                else
                        consuming_turn(c);
                return;
        }
        for (size_t i = 0; i < c->batch.count; i++)
                for (unsigned s = 0; c->batch.list[i].state == HEARD_NOW && s < c->batch.list[i].see_count; s++)
                        sets[count++] = c->batch.list[i].sees[s];
        if (count == 0) {
                consuming_on_facts(NULL, NULL, c);
                return;
        }
        c->busy = true;
        c->store->consumer->facts(c->store, sets, count, consuming_on_facts, c);
}

/* ---- reading ---- */

static void consuming_pause(struct consuming *c)
{
        const uint64_t now = clock_mono_ms();
        uint64_t wait_ms = now - c->heard_ms < CONSUMING_QUICK_FOR_MS ? CONSUMING_QUICK_MS : CONSUMING_SLOW_MS;
        if (c->told)
                wait_ms = CONSUMING_TOLD_MS;
        if (c->look_ms <= now + wait_ms)
                wait_ms = c->look_ms > now ? c->look_ms - now : 1;
        consuming_wait(c, wait_ms);
}

static void consuming_on_page(json_t *page, const struct problem *why, void *arg)
{
        struct consuming *c = (struct consuming *)arg;
        c->busy = false;
        if (why || batch_of_page(&c->batch, c->what->def, page) != 0) {
                consuming_complain(c, "the outbox can't be read", why);
                return;
        }
        c->complained = false;
        if (c->batch.count == 0) {
                batch_clear(&c->batch);
                consuming_pause(c);
                return;
        }
        c->heard_ms = clock_mono_ms();
        consuming_turn(c);
}

static void consuming_read(struct consuming *c)
{
        c->busy = true;
        c->store->consumer->page(c->store, c->position, CONSUMING_PAGE, consuming_on_page, c);
}

static void consuming_on_waiting(json_t *waiting, const struct problem *why, void *arg)
{
        struct consuming *c = (struct consuming *)arg;
        const json_t *due = json_object_get(waiting, "due"), *wait_ms = json_object_get(waiting, "wait_ms");
        c->busy = false;
        if (why || batch_of_waiting(&c->batch, c->what->def, due) != 0) {
                consuming_complain(c, "what waits can't be read", why);
                return;
        }
        if (c->batch.count == 0)
                batch_clear(&c->batch);
        uint64_t next_ms = json_is_integer(wait_ms) ? (uint64_t)json_integer_value(wait_ms) : CONSUMING_LOOK_MS;
        c->look_ms = clock_mono_ms() + (next_ms < CONSUMING_LOOK_MS ? next_ms : CONSUMING_LOOK_MS);
        consuming_turn(c);
}

static void consuming_look(struct consuming *c)
{
        c->busy = true;
        c->store->consumer->waiting(c->store, consuming_name(c), CONSUMING_PAGE, consuming_on_waiting, c);
}

/* ---- what is next ---- */

static void consuming_leave(struct consuming *c)
{
        if (c->ended)
                return;
        c->ended = true;
        uv_timer_stop(&c->timer);
        consuming_let_go(c);
        lead_stop(&c->lead);
}

static bool consuming_owes_position(const struct consuming *c)
{
        return c->taken && strcmp(c->position, c->stored) != 0 &&
               (c->stopping || clock_mono_ms() - c->stored_ms >= CONSUMING_STORE_MS);
}

static void consuming_turn(struct consuming *c)
{
        if (c->busy || c->ended)
                return;
        c->touched = false;
        if (!lead_is_ours(&c->lead))
                consuming_let_go(c); /* consuming_on_lead calls again */
        if (c->stopping && !consuming_owes_position(c))
                consuming_leave(c);
        else if (!lead_is_ours(&c->lead))
                consuming_wait(c, CONSUMING_TOLD_MS);
        else if (!c->taken)
                consuming_take(c);
        else if (consuming_owes_position(c))
                consuming_store_position(c);
        else if (c->batch.count > 0)
                consuming_wave(c);
        else if (clock_mono_ms() >= c->look_ms)
                consuming_look(c);
        else
                consuming_read(c);
}

void consuming_touch(struct consuming *c)
{
        if (!c->taken || c->busy || c->ended || c->complained || c->touched)
                return;
        c->touched = true;
        consuming_wait(c, CONSUMING_TOUCHED_MS);
}

/* ---- its life ---- */

static void consuming_on_lead(void *arg)
{
        consuming_turn((struct consuming *)arg);
}

static void consuming_on_lead_back(void *arg)
{
        struct consuming *c = (struct consuming *)arg;
        c->end(c);
}

int consuming_start(struct consuming *c)
{
        snprintf(c->lease, sizeof(c->lease), CONSUMER_QUEUE "%s", consuming_name(c));
        snprintf(c->does, sizeof(c->does), "consumes as %s", consuming_name(c));
        c->lead = (struct lead){ .store = c->store,
                                 .name = c->config->name,
                                 .lease = c->lease,
                                 .area = "consumer",
                                 .does = c->does,
                                 .lease_ms = c->config->lease_ms ? c->config->lease_ms : CONSUMERS_LEASE_MS,
                                 .changed = consuming_on_lead,
                                 .back = consuming_on_lead_back,
                                 .arg = c };
        c->open = 2;
        uv_timer_init(c->config->loop, &c->timer);
        c->timer.data = c;
        lead_start(&c->lead, c->config->loop);
        return 0;
}

void consuming_stop(struct consuming *c)
{
        c->stopping = true;
        consuming_turn(c);
}

static void consuming_release(struct consuming *c)
{
        if (--c->open == 0)
                c->gone(c);
}

static void consuming_on_timer_closed(uv_handle_t *timer)
{
        consuming_release((struct consuming *)timer->data);
}

static void consuming_on_lead_closed(uv_handle_t *timer)
{
        const struct lead *l = (struct lead *)timer->data;
        consuming_release((struct consuming *)l->arg);
}

void consuming_close(struct consuming *c)
{
        c->ended = true;
        consuming_let_go(c);
        lead_close(&c->lead, consuming_on_lead_closed);
        uv_close((uv_handle_t *)&c->timer, consuming_on_timer_closed);
}
