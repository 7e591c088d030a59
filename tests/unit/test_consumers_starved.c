/* SPDX-License-Identifier: Apache-2.0 */
/* What a consumer makes of an event when memory is short: all of it, or nothing, so that it thinks once more. Else an event would be a dead letter, or a
 * fact be written anew, for want of what it was not given. */
#include "tests/unit/task_try.h"

#include "consumers/batch.h"
#include "consumers/held.h"
#include "consumers/step.h"
#include "consumers/think.h"
#include "core/json.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* An event, as a page of the outbox has it: its payload is text. */
#define EVENT(type, of, payload)                                                                         \
        "{'position': '9', 'id': 'e9', 'aggregate_type': '" of "', 'aggregate_id': 'u1', 'type': '" type \
        "', 'payload': '" payload "', 'created_at': '', 'tracingspancontext': 'traceparent=00-1-2-01'}"
/* One that was put aside: it is text as a whole, made of the above. */
#define WAITING "{'number': 1, 'key': 'scan/u1', 'event_id': 'e9', 'attempts': 1, 'left': 1, 'event': ''}"
#define PET     "{`user_id`: `u1`, `character_id`: `pet`, `job_id`: `j`, `reward_type`: `character`}"

enum { PAGE, ASIDE, WAYS };

/* A profile with as many characters as it can hold. */
static const char full[] = "full";

static const struct {
        const char *label, *consumer, *event, *facts;
} rows[] = {
        { "what it adds to a list", "my", EVENT("CharacterAcquired", "character", PET),
          "{'profile': {'u1': {'characters': ['can', 'box']}}}" },
        { "what it sends", "notification",
          EVENT("ProfileUpdated", "profile", "{`user_id`: `u1`, `fields`: {`characters`: [`pet`, `can`]}}"), NULL },
        { "what it refuses", "character", EVENT("RewardGranted", "scan", "{`user_id`: `u1`}"), NULL },
        { "what it grants", "character", EVENT("RewardGranted", "scan", PET), "{'character': {'u1': {'can': true}}}" },
        { "what it can't take, and others must undo", "my", EVENT("CharacterAcquired", "character", PET), full },
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* What a step stores of one event, in numbers: counted without an allocation. */
struct sum {
        size_t items, letters, messages, message_bytes, events, facts, values, letter_bytes;
        char code[64];
};

struct whole {
        json_t *event[WAYS][ROWS], *facts[ROWS];
        struct map *held;
        struct sum sums[WAYS][ROWS];
};

static size_t values_in(const json_t *value)
{
        size_t sum = value != NULL, at;
        const char *key;
        json_t *part;
        json_object_foreach((json_t *)(uintptr_t)value, key, part)
                sum += values_in(part);
        json_array_foreach(value, at, part)
                sum += values_in(part);
        return sum;
}

static struct sum sum_of(const struct step_draft *d)
{
        struct sum s = { .items = d->step.item_count, .letters = d->step.letter_count };
        for (size_t i = 0; i < s.items; i++) {
                const struct inbox_item *item = &d->items[i];
                for (size_t m = 0; m < item->message_count; m++, s.messages++)
                        s.message_bytes += item->messages[m].message->body.size;
                for (const struct event *e = item->outcome->events; e; e = e->next, s.events++)
                        s.values += values_in(e->payload);
                for (const struct fact *f = item->outcome->facts; f; f = f->next, s.facts++)
                        s.values += values_in(f->value);
        }
        for (size_t i = 0; i < s.letters; i++) {
                s.letter_bytes += d->letters[i].body.size;
                snprintf(s.code, sizeof(s.code), "%s", d->letters[i].error_code);
        }
        return s;
}

static int act_on(const struct whole *w, size_t row, int way, struct sum *out)
{
        static struct step_draft draft;
        struct batch b;
        const struct thinking t = { .consumer = catalog_consumer(shipped(), rows[row].consumer),
                                    .catalog = shipped(),
                                    .held = w->held,
                                    .facts = w->facts[row],
                                    .worker = "w",
                                    .now_ms = 5000 };
        const struct consumer_def *def = t.consumer->def;
        int rc = way == PAGE ? batch_of_page(&b, def, w->event[way][row])
                             : batch_of_waiting(&b, def, w->event[way][row]);
        if (rc != 0)
                return rc;
        rc = batch_wave(&b, CONSUMER_STEP_MAX);
        if (rc > 0)
                rc = think(&b, &t);
        if (rc == 0) {
                step_draw(&draft, def, 7, &b);
                *out = sum_of(&draft);
        }
        batch_clear(&b);
        return rc;
}

static json_t *page_of(const char *event)
{
        json_t *page = json_array();
        json_t *row = json_of(event);
        char *text = strdup(json_string_value(json_object_get(row, "payload")));
        for (char *c = text; *c; c++)
                if (*c == '`')
                        *c = '"';
        json_object_set_new(row, "payload", json_string(text));
        free(text);
        json_array_append_new(page, row);
        return page;
}

static json_t *aside_of(const char *event)
{
        json_t *due = json_array(), *row = json_of(WAITING), *page = page_of(event), *whole = json_array_get(page, 0);
        json_object_set_new(whole, "payload", json_loads(json_text(whole, "payload", ""), 0, NULL));
        char *text = json_dumps(whole, JSON_COMPACT);
        json_object_set_new(row, "event", json_string(text));
        json_array_append_new(due, row);
        json_decref(page);
        free(text);
        return due;
}

static json_t *facts_of(const char *text)
{
        json_t *characters = json_array();
        if (text == full)
                for (int i = 0; i < 500; i++)
                        json_array_append_new(characters, json_integer(i));
        else if (text) {
                json_decref(characters);
                return json_of(text);
        }
        return json_pack("{s:{s:{s:o}}}", "profile", "u1", "characters", characters);
}

static int act_on_all_whole(void **state)
{
        static struct whole w;
        *state = &w;
        json_watch_memory();
        if (held_fill(&w.held, NULL) != 0)
                return -1;
        for (size_t row = 0; row < ROWS; row++) {
                w.facts[row] = facts_of(rows[row].facts);
                w.event[PAGE][row] = page_of(rows[row].event);
                w.event[ASIDE][row] = aside_of(rows[row].event);
                for (int way = 0; way < WAYS; way++)
                        if (act_on(&w, row, way, &w.sums[way][row]) != 0)
                                return -1;
                const struct sum *s = &w.sums[PAGE][row];
                if (s->letters != (row == 2 || row == 4) || s->items != (row != 2) || s->messages != (row == 1))
                        return -1;
        }
        return 0;
}

static int forget_whole(void **state)
{
        struct whole *w = *state;
        for (size_t row = 0; row < ROWS; row++) {
                json_decref(w->facts[row]);
                for (int way = 0; way < WAYS; way++)
                        json_decref(w->event[way][row]);
        }
        held_give_back(w->held);
        return 0;
}

/* Not an assertion: those may fail while memory is short. A run that a signal ends is a bad one. */
static void check_all(void **state, int way)
{
        const struct whole *w = *state;
        int worst = 0;
        for (size_t row = 0; row < ROWS; row++) {
                struct sum s = { 0 };
                const int rc = act_on(w, row, way, &s);
                if (rc > 0 || (rc == 0 && memcmp(&s, &w->sums[way][row], sizeof(s)) != 0)) {
                        fprintf(stderr, "%s: not whole\n", rows[row].label);
                        raise(SIGKILL);
                }
                worst = rc < 0 ? rc : worst;
        }
        assert_int_equal(worst, 0);
}

static void an_event_of_the_outbox(void **state)
{
        check_all(state, PAGE);
}

static void an_event_that_waited(void **state)
{
        check_all(state, ASIDE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_event_of_the_outbox),
                cmocka_unit_test(an_event_that_waited),
        };
        return cmocka_run_group_tests(tests, act_on_all_whole, forget_whole);
}
