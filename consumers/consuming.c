/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one consumer. It asks the store one thing at a time; each answer leads back to consuming_turn, which decides what is next:
 *
 *     take  ->  look at what waits  ->  read a page  ->  wave: facts  ->  think  ->  step  ->  next wave … next page
 *
 * A wave is what a batch holds that may be acted on at once (batch.h); a step stores it, and where the consumer stands, in one transaction. */
#include "consumers/consuming.h"

#include "consumers/held.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "tasks/saga.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- waiting and complaining ---- */

static void consuming_on_timer(uv_timer_t *timer)
{
        consuming_turn((struct consuming *)timer->data);
}

void consuming_wait(struct consuming *c, uint64_t wait_ms)
{
        if (!c->ended)
                uv_timer_start(&c->timer, consuming_on_timer, wait_ms, 0);
}

const char *consuming_name(const struct consuming *c)
{
        return c->what->def->name;
}

void consuming_complain(struct consuming *c, const char *what, const struct problem *why)
{
        if (!c->complained && (!why || strcmp(why->code, "closed") != 0))
                log_warn("consumer", "%s: %s, and is tried again: %s", consuming_name(c), what,
                         why ? why->text : "out of memory");
        c->complained = true;
        consuming_wait(c, CONSUMING_AGAIN_MS);
}

static void consuming_forget_held(struct consuming *c)
{
        held_give_back(c->held);
        c->held = NULL;
}

void consuming_let_go(struct consuming *c)
{
        c->taken = c->catching_up = false;
        consuming_forget_models(c);
        batch_clear(&c->batch);
        consuming_forget_held(c);
}

/* ---- taking ---- */

/* It is ours, with what waits; false after a complaint. */
static bool consuming_take_up(struct consuming *c, const json_t *held, const char *failed, const struct problem *why)
{
        c->busy = false;
        consuming_forget_held(c);
        if (!held || held_fill(&c->held, held) != 0) {
                consuming_complain(c, failed, why);
                return false;
        }
        c->taken = true;
        c->complained = false;
        c->most = CONSUMER_STEP_MAX;
        c->look_ms = 0;
        return true;
}

static void consuming_on_taken(json_t *as, const struct problem *why, void *arg)
{
        struct consuming *c = (struct consuming *)arg;
        if (!consuming_take_up(c, json_object_get(as, "held"), "the store can't say where it stands", why))
                return;
        c->epoch = json_number(as, "epoch", 0);
        snprintf(c->position, sizeof(c->position), "%s", json_text(as, "position", ""));
        snprintf(c->stored, sizeof(c->stored), "%s", c->position);
        log_info("consumer", "%s goes on %s%s", consuming_name(c), *c->position ? "after " : "from the first event",
                 c->position);
        consuming_turn(c);
}

static void consuming_on_held(json_t *held, const struct problem *why, void *arg)
{
        struct consuming *c = (struct consuming *)arg;
        if (consuming_take_up(c, held, "the store can't say what waits", why))
                consuming_turn(c);
}

static void consuming_take(struct consuming *c)
{
        c->busy = true;
        if (c->stream) {
                c->store->consumer->held(c->store, consuming_name(c), consuming_on_held, c);
                return;
        }
        c->store->consumer->take(c->store, consuming_name(c), c->config->name, consuming_on_taken, c);
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

static void consuming_on_records(const json_t *rows, bool anew, void *arg)
{
        struct consuming *c = (struct consuming *)arg;
        if (!rows) {
                stream_again(c->stream);
                return;
        }
        json_decref(c->rows);
        c->rows = json_incref((json_t *)(uintptr_t)rows);
        if (anew)
                c->taken = false; /* what waits of theirs is not known here */
        consuming_turn(c);
}

/* ---- what Kafka has no more ---- */

static void consuming_on_gap(void *arg)
{
        struct consuming *c = (struct consuming *)arg;
        c->missed = true;
        consuming_turn(c);
}

void consuming_end_missed(struct consuming *c)
{
        log_info("consumer", "%s: %llu events came from the event store; it goes on from Kafka", consuming_name(c),
                 c->caught);
        c->missed = false;
        c->caught = 0;
}

/* A page that is not full is the last: whoever waited for an empty one would never be done while events keep coming. */
static void consuming_on_missed(json_t *page, const struct problem *why, void *arg)
{
        struct consuming *c = (struct consuming *)arg;
        c->busy = false;
        if (why || batch_of_page(&c->batch, c->what->def, page) != 0) {
                consuming_complain(c, "what it missed can't be read", why);
                return;
        }
        c->catching_up = c->batch.count > 0;
        c->caught_up = json_array_size(page) < CONSUMING_PAGE;
        c->caught += c->batch.count;
        if (!c->catching_up) {
                batch_clear(&c->batch);
                consuming_end_missed(c);
        }
        consuming_turn(c);
}

static json_t *consuming_hears(const struct consumer_def *def)
{
        json_t *types = json_array(), *aggregates = json_array();
        const char *type;
        for (size_t n = 0; (type = def->saga ? saga_heard(def->saga, n) : def->hears[n]); n++)
                json_array_append_new(types, json_string(type));
        for (const char *const *of = def->aggregates; *of; of++)
                json_array_append_new(aggregates, json_string(*of));
        return json_pack("{s:o, s:o}", "types", types, "aggregates", aggregates);
}

static void consuming_ask_missed(struct consuming *c)
{
        JSON_OWNED json_t *hears = consuming_hears(c->what->def);
        char *text = json_dumps(hears, JSON_COMPACT);
        if (!text) {
                consuming_complain(c, "what it missed can't be asked for", NULL);
                return;
        }
        c->busy = true;
        c->store->consumer->missed(c->store, consuming_name(c), text, CONSUMING_PAGE, consuming_on_missed, c);
        free(text);
}

static void consuming_use_records(struct consuming *c)
{
        if (batch_of_page(&c->batch, c->what->def, c->rows) != 0)
                consuming_complain(c, "the records in hand can't be read", NULL);
        else if (c->batch.count > 0)
                consuming_turn(c);
        else
                consuming_complain(c, "there are no records in a batch", NULL);
}

static void consuming_read(struct consuming *c)
{
        if (c->missed) {
                consuming_ask_missed(c);
                return;
        }
        if (c->stream && c->rows) {
                consuming_use_records(c);
                return;
        }
        if (c->stream) {
                consuming_wait(c, CONSUMING_LOOK_MS);
                return;
        }
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
        if (c->stream)
                stream_close(c->stream);
        else
                lead_stop(&c->lead);
}

/* Kafka's group, or the lease, says that it is ours. */
static bool consuming_may(const struct consuming *c)
{
        return c->stream || lead_is_ours(&c->lead);
}

static bool consuming_owes_position(const struct consuming *c)
{
        return c->taken && !c->stream && strcmp(c->position, c->stored) != 0 &&
               (c->stopping || clock_mono_ms() - c->stored_ms >= CONSUMING_STORE_MS);
}

void consuming_turn(struct consuming *c)
{
        if (c->busy || c->ended)
                return;
        c->touched = false;
        if (!consuming_may(c))
                consuming_let_go(c); /* consuming_on_lead calls again */
        if (c->stopping && !consuming_owes_position(c))
                consuming_leave(c);
        else if (!consuming_may(c))
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

static void consuming_release(struct consuming *c)
{
        if (--c->open == 0)
                c->gone(c);
}

static void consuming_on_stream_closed(void *arg)
{
        struct consuming *c = (struct consuming *)arg;
        c->end(c);
        consuming_release(c);
}

static int consuming_join(struct consuming *c, struct problem *why)
{
        const struct kafka_stream_config config = {
                .loop = c->config->loop,
                .servers = c->config->kafka_servers,
                .properties = c->config->kafka_properties ? c->config->kafka_properties : "",
                .group = consuming_name(c),
                .prefix = c->config->kafka_prefix,
                .topics = c->what->def->aggregates,
                .records = consuming_on_records,
                .missed = consuming_on_gap,
                .closed = consuming_on_stream_closed,
                .arg = c,
        };
        if (!c->what->def->aggregates[0])
                return problem_set(why, "consumer", "no_topics",
                                   "the consumer %s names no aggregates, so it has no topics", consuming_name(c));
        return stream_open(&c->stream, &config, why);
}

int consuming_start(struct consuming *c, struct problem *why)
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
        uv_timer_init(c->config->loop, &c->timer);
        c->timer.data = c;
        c->open = 1;
        if (c->config->kafka_servers) {
                const int rc = consuming_join(c, why);
                c->open += rc == 0;
                return rc;
        }
        c->open = 2;
        lead_start(&c->lead, c->config->loop);
        return 0;
}

void consuming_stop(struct consuming *c)
{
        c->stopping = true;
        consuming_turn(c);
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
        const bool left = c->ended;
        c->ended = true;
        consuming_let_go(c);
        json_decref(c->rows);
        json_decref(c->dead);
        c->rows = c->dead = NULL;
        if (c->stream && !left)
                stream_close(c->stream);
        else if (!c->config->kafka_servers)
                lead_close(&c->lead, consuming_on_lead_closed);
        uv_close((uv_handle_t *)&c->timer, consuming_on_timer_closed);
}
