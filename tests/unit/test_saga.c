/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/task_try.h"

#include "tasks/saga_act.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct saga_def trip = {
        .begins = "TripWanted",
        .steps = { { .name = "car",
                     .asks = { "cars", "CarWanted" },
                     .done = "CarTaken",
                     .failed = "CarRefused",
                     .undoes = { "cars", "CarUnwanted" },
                     .undone = "CarReturned",
                     .timeout_ms = 1000 },
                   { .name = "tea",
                     .asks = { "teas", "TeaWanted" },
                     .done = "TeaMade",
                     .undoes = { "teas", "TeaUnwanted" } },
                   { .name = "inn",
                     .asks = { "inns", "InnWanted" },
                     .done = "InnTaken",
                     .failed = "InnRefused",
                     .undoes = { "inns", "InnUnwanted" },
                     .timeout_ms = 500,
                     .times = 2 } },
        .ends = { "trips", "TripReady" },
        .fails = { "trips", "TripFailed" },
};

static const struct consumer_def trip_consumer = {
        .name = "trip", .sees = { { FACT_SAGA, "/aggregate_id" } }, .saga = &trip, .act = saga_act
};

/* A saga that is told one event after the other, seeing what it has written before. */
struct told {
        json_t *facts; /* {key: value} */
        char text[2000];
};

static void told_add(struct told *t, const char *what, const char *more)
{
        strncat(t->text, what, sizeof(t->text) - strlen(t->text) - 1);
        strncat(t->text, more, sizeof(t->text) - strlen(t->text) - 1);
}

static void told_outcome(struct told *t, const struct outcome *out)
{
        char later[32];
        for (const struct event *e = out->events; e; e = e->next) {
                assert_string_equal(e->aggregate_id, "t1");
                told_add(t, " ", e->type);
        }
        for (const struct fact *f = out->facts; f; f = f->next) {
                assert_int_equal(f->mode, FACT_ONCE);
                json_object_set(t->facts, f->key, f->value);
        }
        snprintf(later, sizeof(later), "%u", out->later ? out->later->delay_ms : 0);
        if (out->later)
                told_add(t, " +", later);
}

/* `what`: a type of event, "TYPE:REASON"; "@N": the time-out of move N. */
static void told_one(struct told *t, const char *what)
{
        struct arena arena = { 0 };
        struct outcome out;
        struct problem why = { 0 };
        char type[64];
        const char *reason = strchr(what, ':');
        if (*what == '@')
                strcpy(type, SAGA_TIME_OUT);
        else
                snprintf(type, sizeof(type), "%.*s", (int)strcspn(what, ":"), what);
        json_t *payload = json_pack("{s:s, s:s*}", "of", what, "reason", reason ? reason + 1 : NULL);
        if (*what == '@')
                json_object_set_new(payload, "saga_move", json_integer(atoi(what + 1)));
        json_t *whole = json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", what, "aggregate_type", "a", "aggregate_id", "t1",
                                  "type", type, "payload", payload);
        json_t *facts = json_pack("{s:{s:O}}", FACT_SAGA, "t1", t->facts);
        struct consumer_event event;
        consumer_event_read(whole, &event);
        const struct consumer_input in = {
                .consumer = &trip_consumer, .event = &event, .facts = facts, .arena = &arena
        };
        assert_int_equal(outcome_open(&out, &arena), 0);
        told_add(t, "; ", what);
        assert_int_equal(saga_act(&in, &out, &why), 0);
        told_add(t, out.facts ? " ->" : " .", "");
        told_outcome(t, &out);
        outcome_close(&out);
        json_decref(whole);
        json_decref(facts);
        arena_free(&arena);
}

static void what_it_asks_for_and_undoes(void **state)
{
        (void)state;
        static const struct {
                const char *label, *heard[8], *said, *end, *step, *reason;
        } rows[] = {
                { "all goes well",
                  { "TripWanted", "CarTaken", "TeaMade", "InnTaken" },
                  "; TripWanted -> CarWanted +1000; CarTaken -> TeaWanted; TeaMade -> InnWanted +500; InnTaken -> TripReady",
                  "DONE",
                  "",
                  NULL },
                { "what comes twice, early or late",
                  { "CarTaken", "TripWanted", "TripWanted", "InnTaken", "CarTaken", "CarTaken", "@1" },
                  "; CarTaken .; TripWanted -> CarWanted +1000; TripWanted .; InnTaken .; CarTaken -> TeaWanted; CarTaken .; @1 .",
                  "RUNNING",
                  "tea",
                  NULL },
                { "the first step is refused: nothing is to be undone",
                  { "TripWanted", "CarRefused:none left", "CarTaken" },
                  "; TripWanted -> CarWanted +1000; CarRefused:none left -> TripFailed; CarTaken .",
                  "FAILED",
                  "",
                  "none left" },
                { "the last is refused: those before are undone, last first",
                  { "TripWanted", "CarTaken", "TeaMade", "InnRefused", "CarReturned", "CarReturned" },
                  "; TripWanted -> CarWanted +1000; CarTaken -> TeaWanted; TeaMade -> InnWanted +500; InnRefused -> TeaUnwanted CarUnwanted +1000;"
                  " CarReturned -> TripFailed; CarReturned .",
                  "FAILED",
                  "",
                  "InnRefused" },
                { "no answer: asked again, then undone with the step itself",
                  { "TripWanted", "CarTaken", "TeaMade", "@3", "@3", "@4", "InnTaken" },
                  "; TripWanted -> CarWanted +1000; CarTaken -> TeaWanted; TeaMade -> InnWanted +500; @3 -> InnWanted +500; @3 .;"
                  " @4 -> InnUnwanted TeaUnwanted CarUnwanted +1000; InnTaken .",
                  "UNDOING",
                  "car",
                  "inn: no answer" },
                { "an undo is asked for until it is answered",
                  { "TripWanted", "@1", "@2", "@3", "@4", "CarTaken", "CarReturned" },
                  "; TripWanted -> CarWanted +1000; @1 -> CarUnwanted +1000; @2 -> CarUnwanted +2000; @3 -> CarUnwanted +4000;"
                  " @4 -> CarUnwanted +8000; CarTaken .; CarReturned -> TripFailed",
                  "FAILED",
                  "",
                  "car: no answer" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct told t = { .facts = json_object() };
                for (size_t n = 0; n < 8 && rows[i].heard[n]; n++)
                        told_one(&t, rows[i].heard[n]);
                const json_t *last = saga_last(t.facts, "trip"), *step = json_object_get(last, "step"),
                             *reason = json_object_get(last, "reason");
                if (strcmp(t.text, rows[i].said) != 0)
                        fail_msg("%s:\n%s\nexpected\n%s", rows[i].label, t.text, rows[i].said);
                assert_string_equal(json_string_value(json_object_get(last, "state")), rows[i].end);
                assert_string_equal(step ? json_string_value(step) : "", rows[i].step);
                assert_string_equal(reason ? json_string_value(reason) : "", rows[i].reason ? rows[i].reason : "");
                json_decref(t.facts);
        }
}

/* The payload of what it asks for has the beginning's members, and each answer under its step's name. */
static void what_the_steps_are_told(void **state)
{
        (void)state;
        struct told t = { .facts = json_object() };
        told_one(&t, "TripWanted");
        told_one(&t, "CarTaken");
        assert_outcome("context", "{'of': 'TripWanted', 'car': {'of': 'CarTaken'}}",
                       json_incref(json_object_get(saga_last(t.facts, "trip"), "context")));
        json_decref(t.facts);
}

static void tables_that_can_not_be_carried_out(void **state)
{
        (void)state;
        static const struct saga_step good = { .name = "a", .asks = { "x", "AWanted" }, .done = "ADone" };
        struct {
                const char *said;
                struct saga_def saga;
        } rows[] = {
                { NULL, { .begins = "B", .steps = { good } } },
                { "never begins", { .steps = { good } } },
                { "has no steps", { .begins = "B" } },
                { "waits for one event in two places", { .begins = "ADone", .steps = { good } } },
                { "waits for one event in two places", { .begins = "B", .steps = { good, good } } },
                { "asks for nothing", { .begins = "B", .steps = { { .name = "a", .done = "ADone" } } } },
                { "waits for no answer", { .begins = "B", .steps = { { .name = "a", .asks = good.asks } } } },
                { "half a one",
                  { .begins = "B", .steps = { { .name = "a", .asks = good.asks, .done = "D", .undone = "U" } } } },
                { "without a time-out",
                  { .begins = "B",
                    .steps = { { .name = "a",
                                 .asks = good.asks,
                                 .done = "D",
                                 .undoes = { "x", "V" },
                                 .undone = "U" } } } },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const struct consumer_def def = {
                        .name = "s", .sees = { { FACT_SAGA, "/aggregate_id" } }, .saga = &rows[i].saga, .act = saga_act
                };
                struct problem why = { 0 };
                assert_int_equal(consumer_check(&def, &why), rows[i].said ? 1 : 0);
                if (rows[i].said && !strstr(why.text, rows[i].said))
                        fail_msg("%s: %s", rows[i].said, why.text);
        }
        const struct consumer_def blind = { .name = "s", .saga = &trip, .act = saga_act };
        struct problem why = { 0 };
        assert_int_equal(consumer_check(&blind, &why), 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_it_asks_for_and_undoes),
                cmocka_unit_test(what_the_steps_are_told),
                cmocka_unit_test(tables_that_can_not_be_carried_out),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
