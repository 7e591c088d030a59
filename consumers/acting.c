/* SPDX-License-Identifier: Apache-2.0 */
/* Acting on a batch: wave by wave, each thought about with the facts that it sees, and stored as one step. */
#include "consumers/consuming.h"
#include "consumers/figures.h"
#include "consumers/held.h"
#include "consumers/spans.h"
#include "consumers/think.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a batch comes to its end ---- */

static void consuming_stand(struct consuming *c, const char *position)
{
        if (position)
                snprintf(c->position, sizeof(c->position), "%s", position);
}

static void consuming_end_batch(struct consuming *c)
{
        const bool waited = c->batch.waited || c->catching_up;
        if (c->catching_up && c->caught_up)
                consuming_end_missed(c);
        c->catching_up = false;
        if (!c->stream)
                consuming_stand(c, batch_position(&c->batch));
        batch_clear(&c->batch);
        if (!c->stream || waited)
                return;
        stream_next(c->stream, c->dead);
        json_decref(c->dead);
        json_decref(c->rows);
        c->dead = c->rows = NULL;
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
                 h->event.type, h->key, h->why.code, problem_told(&h->why));
}

/* For the topic of dead letters, beside the entry in the store. */
static void consuming_add_dead(struct consuming *c, const struct heard *h)
{
        char at[CLOCK_TEXT_SIZE];
        json_t *payload = json_object_get(h->whole, "payload");
        char *value = json_is_string(payload) ? strdup(json_string_value(payload)) : json_dumps(payload, JSON_COMPACT);
        clock_format(h->letter.died_ms, at);
        if (!c->dead)
                c->dead = json_array();
        json_array_append_new(c->dead, json_pack("{s:o, s:s, s:s, s:{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}}", "topic",
                                                 json_sprintf("%s.dlt", json_text(h->whole, "topic", "unknown")), "key",
                                                 h->event.aggregate_id, "value", value ? value : "", "headers", "id",
                                                 h->event.id, "eventType", h->event.type, "consumer", consuming_name(c),
                                                 "errorSource", h->letter.error_source, "errorCode",
                                                 h->letter.error_code, "errorMessage", h->letter.error_message,
                                                 "timestamp", at, "position", h->position));
        free(value);
}

static void consuming_stepped_well(struct consuming *c)
{
        const struct consumer_step *s = &c->draft.step;
        consumer_count_step(c->config->meter, c, clock_mono_us() - c->began_us);
        for (size_t i = 0; i < c->batch.count; i++) {
                struct heard *h = &c->batch.list[i];
                if (h->state != HEARD_NOW)
                        continue;
                consuming_count_held(c, h);
                heard_end_span(h, c->what->def, c->stream ? "kafka" : "chard");
                if (h->verdict != HEARD_DIES)
                        continue;
                consuming_tell_dead(c, h);
                if (c->stream && h->position && !c->catching_up)
                        consuming_add_dead(c, h);
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

struct thinking consuming_thinking(struct consuming *c, const json_t *facts)
{
        return (struct thinking){ .consumer = c->what,
                                  .catalog = c->config->catalog,
                                  .routes = c->routes,
                                  .held = c->held,
                                  .facts = facts,
                                  .history = c->history,
                                  .spans = c->config->spans,
                                  .worker = c->config->name,
                                  .now_ms = clock_wall_ms() };
}

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
        if (only->undone)
                log_warn("consumer", "%s: what is to be undone for the event %s can't be stored: %s", consuming_name(c),
                         only->id, problem_told(why));
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

void consuming_step(struct consuming *c)
{
        step_draw(&c->draft, c->what->def, c->epoch, &c->batch);
        if (c->stream)
                c->draft.step.position = NULL; /* the group knows where it stands */
        c->busy = true;
        c->began_us = clock_mono_us();
        c->store->consumer->step(c->store, &c->draft.step, consuming_on_stepped, c);
}

/* Where it stands, of events that it does not hear. */
void consuming_store_position(struct consuming *c)
{
        c->draft.step =
                (struct consumer_step){ .consumer = consuming_name(c), .epoch = c->epoch, .position = c->position };
        c->busy = true;
        c->began_us = clock_mono_us();
        c->store->consumer->step(c->store, &c->draft.step, consuming_on_stepped, c);
}

/* ---- a wave ---- */

static void consuming_on_facts(json_t *facts, const struct problem *why, void *arg)
{
        struct consuming *c = (struct consuming *)arg;
        const struct thinking t = consuming_thinking(c, facts);
        c->busy = false;
        if (!why && think(&c->batch, &t) == 0) {
                consuming_project(c);
                return;
        }
        batch_unmark(&c->batch, HEARD_OPEN);
        consuming_complain(c, "what it knows can't be read", why);
}

/* In a wave no two see the same facts. */
static void consuming_ask_facts(struct consuming *c)
{
        struct fact_set sets[CONSUMER_STEP_MAX * TASK_MOST_SEES];
        size_t count = 0;
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

static void consuming_on_history(json_t *history, const struct problem *why, void *arg)
{
        struct consuming *c = (struct consuming *)arg;
        c->busy = false;
        if (why) {
                batch_unmark(&c->batch, HEARD_OPEN);
                consuming_complain(c, "the event store can't be read", why);
                return;
        }
        c->history = json_incref(history);
        consuming_ask_facts(c);
}

/* Before the facts: what these say is then as new as the version that it is shown under. */
static void consuming_ask_history(struct consuming *c)
{
        struct fact_set aggregates[CONSUMER_STEP_MAX];
        size_t count = 0;
        consuming_forget_models(c);
        for (size_t i = 0; i < c->batch.count; i++)
                if (c->batch.list[i].state == HEARD_NOW)
                        aggregates[count++] = (struct fact_set){ c->batch.list[i].event.aggregate_type,
                                                                 c->batch.list[i].event.aggregate_id };
        c->busy = true;
        c->store->consumer->history(c->store, aggregates, count, consuming_on_history, c);
}

void consuming_wave(struct consuming *c)
{
        enum { MOST_SHOWN = 25 }; /* a projector is given up to 200 events of each */
        const bool shows = c->what->def->writes[0].name != NULL;
        const int marked = batch_wave(&c->batch, shows && c->most > MOST_SHOWN ? MOST_SHOWN : c->most);
        if (marked == 0)
                consuming_end_batch(c);
        if (marked <= 0) {
                if (marked < 0)
                        consuming_complain(c, "the events in hand can't be sorted", NULL);
                else
                        consuming_turn(c);
                return;
        }
        if (c->what->def->writes[0].name)
                consuming_ask_history(c);
        else
                consuming_ask_facts(c);
}
