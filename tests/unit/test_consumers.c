/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/task_try.h"

#include "consumers/batch.h"
#include "consumers/step.h"
#include "consumers/think.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int never_asked(const struct consumer_input *in, struct outcome *out, struct problem *why)
{
        (void)in, (void)out, (void)why;
        return 0;
}

static const struct consumer_def listener = {
        .name = "listener", .hears = { "A" }, .sees = { { "seen", "/payload/user" } }, .act = never_asked
};

#define ROW(n, type, of, payload)                                                                                     \
        "{'position': '" #n "', 'id': 'e" #n "', 'aggregate_type': 'thing', 'aggregate_id': '" of "', 'type': '" type \
        "', 'payload': '" payload "', 'created_at': '', 'tracingspancontext': null}"

/* The waves that a page is acted on in, as "positions > place after it" each. */
static void assert_waves(const char *label, const char *page, unsigned most, const char *expected)
{
        char got[400] = "";
        struct batch b;
        json_t *rows = json_of(page);
        /* a payload is text: its quotes are written as backticks here */
        for (size_t i = 0; i < json_array_size(rows); i++) {
                char *text = strdup(json_string_value(json_object_get(json_array_get(rows, i), "payload")));
                for (char *c = text; *c; c++)
                        if (*c == '`')
                                *c = '"';
                json_object_set_new(json_array_get(rows, i), "payload", json_string(text));
                free(text);
        }
        if (batch_of_page(&b, &listener, rows) != 0) {
                json_decref(rows);
                fail_msg("%s: no batch", label);
        }
        while (batch_wave(&b, most) > 0) {
                for (size_t i = 0; i < b.count; i++)
                        if (b.list[i].state == HEARD_NOW)
                                strcat(strcat(got, b.list[i].position), " ");
                strcat(strcat(strcat(got, "> "), batch_position(&b) ? batch_position(&b) : "-"), "; ");
                batch_unmark(&b, HEARD_OVER);
        }
        batch_clear(&b);
        json_decref(rows);
        if (strcmp(got, expected) != 0)
                fail_msg("%s: expected %s, but got %s", label, expected, got);
}

static void what_may_be_acted_on_at_once(void **state)
{
        (void)state;
        static const struct {
                const char *label, *page;
                unsigned most;
                const char *expected;
        } rows[] = {
                { "an empty page", "[]", 200, "" },
                { "of different aggregates", "[" ROW(1, "A", "x", "{}") "," ROW(2, "A", "y", "{}") "]", 200,
                  "1 2 > 2; " },
                { "of one aggregate: in their order",
                  "[" ROW(1, "A", "x", "{}") "," ROW(2, "A", "x", "{}") "," ROW(3, "A", "y", "{}") "]", 200,
                  "1 3 > 1; 2 > 3; " },
                { "of one user, whose facts they see",
                  "[" ROW(1, "A", "x", "{`user`: `u`}") "," ROW(2, "A", "y", "{`user`: `u`}") "," ROW(
                          3, "A", "z", "{`user`: `v`}") "]",
                  200, "1 3 > 1; 2 > 3; " },
                { "behind one that waits for another",
                  "[" ROW(1, "A", "x", "{`user`: `u`}") "," ROW(2, "A", "y", "{`user`: `u`}") "," ROW(3, "A", "y",
                                                                                                      "{}") "]",
                  200, "1 > 1; 2 > 2; 3 > 3; " },
                { "what it does not hear holds nothing up",
                  "[" ROW(1, "B", "x", "{}") "," ROW(2, "A", "x", "{}") "," ROW(3, "B", "x", "{}") "]", 200,
                  "2 > 3; " },
                { "no more than is asked for", "[" ROW(1, "A", "x", "{}") "," ROW(2, "A", "y", "{}") "]", 1,
                  "1 > 1; 2 > 2; " },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                assert_waves(rows[i].label, rows[i].page, rows[i].most, rows[i].expected);
}

#define REWARD(payload) \
        "{'id': 'e1', 'aggregate_type': 'scan', 'aggregate_id': 'j1', 'type': 'RewardGranted', 'payload': " payload "}"
#define ACQUIRED(payload)                                                                                                    \
        "{'id': 'e2', 'aggregate_type': 'character', 'aggregate_id': 'u1', 'type': 'CharacterAcquired', 'payload': " payload \
        "}"
#define REVOKED(payload)                                                                                                    \
        "{'id': 'e4', 'aggregate_type': 'character', 'aggregate_id': 'u1', 'type': 'CharacterRevoked', 'payload': " payload \
        "}"
#define UPDATED(payload)                                                                                                \
        "{'id': 'e3', 'aggregate_type': 'profile', 'aggregate_id': 'u1', 'type': 'ProfileUpdated', 'payload': " payload \
        "}"
#define REFUSED(source_, code_) "{'refused': {'source': '" source_ "', 'code': '" code_ "', 'text': '…'}}"
#define PET                     "'job_id': 'j1', 'user_id': 'u1', 'character_id': 'pet', 'reward_type': 'character'"

static void what_the_shipped_ones_make_of_events(void **state)
{
        (void)state;
        static const struct {
                const char *label, *consumer, *event, *facts, *expected;
        } rows[] = {
                { "a reward", "character", REWARD("{" PET ", 'category': 'clear-pet'}"),
                  "{'character': {'u1': {'can': true}}, 'grant': {'u1': {'can/1': {}}}}",
                  "{'sections': {}, 'facts': [{'once': 'grant u1 pet/1', 'value': {'has': true, 'event_id': 'e1'}}, {'merge': 'character u1 pet', 'value': true}],"
                  "'events': [{'of': 'character u1', 'type': 'CharacterAcquired', 'payload': {'job_id': 'j1', 'user_id': 'u1', 'character_id': 'pet'}}]}" },
                { "a second one", "character", REWARD("{" PET "}"), "{'character': {'u1': {'pet': true}}}",
                  "{'sections': {}}" },
                { "one more, after it was taken back", "character", REWARD("{" PET "}"),
                  "{'character': {'u1': {'pet': false}}, 'grant': {'u1': {'pet/1': {}, 'pet/2': {}}}}",
                  "{'…': 1, 'facts': [{'…': 1, 'once': 'grant u1 pet/3'}, {'merge': 'character u1 pet', 'value': true}]}" },
                { "taking it back", "character", REVOKED("{" PET ", 'reason': 'profile_full'}"),
                  "{'character': {'u1': {'pet': true}}, 'grant': {'u1': {'pet/1': {}}}}",
                  "{'sections': {}, 'facts': [{'once': 'grant u1 pet/2', 'value': {'has': false, 'event_id': 'e4'}}, {'merge': 'character u1 pet', 'value': false}],"
                  "'events': [{'of': 'scan j1', 'type': 'RewardRevoked', 'payload': {'job_id': 'j1', 'user_id': 'u1', 'character_id': 'pet', 'reason': 'profile_full'}}]}" },
                { "taking back what nobody has", "character", REVOKED("{" PET "}"),
                  "{'character': {'u1': {'pet': false}}}", "{'sections': {}}" },
                { "taking back one of no scan", "character", REVOKED("{'user_id': 'u1', 'character_id': 'pet'}"),
                  "{'character': {'u1': {'pet': true}}}", "{'sections': {}, 'facts': [{'…': 1}, {'…': 1}]}" },
                { "the scans' copy", "owned", ACQUIRED("{" PET "}"), NULL,
                  "{'sections': {}, 'facts': [{'merge': 'owned u1 pet', 'value': true}]}" },
                { "… of what was taken back", "owned", REVOKED("{" PET "}"), NULL,
                  "{'sections': {}, 'facts': [{'merge': 'owned u1 pet', 'value': false}]}" },
                { "another kind of reward", "character",
                  REWARD("{'user_id': 'u', 'character_id': 'c', 'reward_type': 'coins'}"), NULL, "{'sections': {}}" },
                { "a reward for nobody", "character", REWARD("{'character_id': 'c', 'reward_type': 'character'}"), NULL,
                  REFUSED("consumer_logic", "bad_payload") },
                { "an empty name", "character",
                  REWARD("{'user_id': 'u', 'character_id': '', 'reward_type': 'character'}"), NULL,
                  REFUSED("consumer_logic", "bad_payload") },
                { "a payload that is none", "character", REWARD("'text'"), NULL, REFUSED("consumer", "bad_event") },
                { "no payload", "character", REWARD("null"), NULL, REFUSED("consumer", "bad_event") },
                { "a later version", "character", REWARD("{" PET ", 'schema_version': 2}"), NULL,
                  REFUSED("consumer", "unknown_version") },
                { "its first version, said", "character",
                  REWARD("{'reward_type': 'x', 'user_id': 'u', 'character_id': 'c', 'schema_version': 1}"), NULL,
                  "{'sections': {}}" },
                { "the first character", "my", ACQUIRED("{" PET "}"), "{'profile': {'u1': {'nickname': 'x'}}}",
                  "{'sections': {}, 'facts': [{'merge': 'profile u1 characters', 'value': ['pet']}],"
                  "'events': [{'of': 'profile u1', 'type': 'ProfileUpdated', 'payload': {'job_id': 'j1', 'user_id': 'u1', 'fields': {'characters': ['pet']}}}]}" },
                { "one more", "my", ACQUIRED("{" PET "}"), "{'profile': {'u1': {'characters': ['can']}}}",
                  "{'…': 1, 'facts': [{'merge': 'profile u1 characters', 'value': ['can', 'pet']}]}" },
                { "one that is known", "my", ACQUIRED("{" PET "}"), "{'profile': {'u1': {'characters': ['pet']}}}",
                  "{'sections': {}}" },
                { "what somebody wrote there by hand", "my", ACQUIRED("{" PET "}"),
                  "{'profile': {'u1': {'characters': 'none'}}}",
                  "{'…': 1, 'facts': [{'merge': 'profile u1 characters', 'value': ['pet']}]}" },
                { "one that was taken back", "my", REVOKED("{" PET "}"),
                  "{'profile': {'u1': {'characters': ['can', 'pet', 'x']}}}",
                  "{'…': 1, 'facts': [{'merge': 'profile u1 characters', 'value': ['can', 'x']}]}" },
                { "one that was taken back before it came", "my", REVOKED("{" PET "}"), NULL, "{'sections': {}}" },
                { "a notice of a reward that is none", "notification",
                  "{'id': 'e5', 'aggregate_type': 'scan', 'aggregate_id': 'j1', 'type': 'RewardRevoked', 'payload': {" PET
                  ", 'reason': 'r'}}",
                  NULL,
                  "{'sections': {}, 'sends': [{'as': 'beside', 'canvas': {'…': 1, 'task': 'my.notify', 'kwargs':"
                  " {'user_id': 'u1', 'event_id': 'e5', 'fields': {'reward_revoked': {'character_id': 'pet', 'reason': 'r'}}}}}]}" },
                { "a notice", "notification", UPDATED("{'user_id': 'u1', 'fields': {'characters': ['pet']}}"), NULL,
                  "{'sections': {}, 'sends': [{'as': 'beside', 'canvas': {'…': 1, 'task': 'my.notify', 'kwargs':"
                  " {'user_id': 'u1', 'event_id': 'e3', 'fields': {'characters': ['pet']}}}}]}" },
                { "a profile without fields", "notification", UPDATED("{'user_id': 'u1'}"), NULL,
                  REFUSED("consumer_logic", "bad_payload") },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                assert_outcome(rows[i].label, rows[i].expected,
                               try_consumer(rows[i].consumer, rows[i].event, rows[i].facts));
}

/* One event through thinking, as the step that the store gets: {"items", "waits", "letters", "messages"} as texts. */
static json_t *draft_with(const struct consumer *consumer, const char *page)
{
        static struct step_draft draft;
        struct batch b;
        struct map *held = NULL;
        json_t *rows = json_of(page), *shown = NULL;
        const struct thinking t = { .consumer = consumer, .catalog = shipped(), .worker = "w", .now_ms = 5000 };
        struct thinking with = t;
        assert_int_equal(map_new(&held), 0);
        with.held = held;
        assert_int_equal(batch_of_page(&b, t.consumer->def, rows), 0);
        batch_wave(&b, CONSUMER_STEP_MAX);
        if (think(&b, &with) == 0) {
                step_draw(&draft, t.consumer->def, 7, &b);
                const struct dead_letter *l = &draft.letters[0];
                shown = json_pack("{s:i, s:i, s:i, s:i, s:s}", "items", (int)draft.step.item_count, "waits",
                                  (int)draft.step.wait_count, "letters", (int)draft.step.letter_count, "messages",
                                  draft.step.item_count ? (int)draft.items[0].message_count : 0, "position",
                                  draft.step.position);
                if (draft.step.letter_count)
                        json_object_set_new(shown, "letter",
                                            json_pack("[s, s, s, s, s, s, s]", l->name, l->queue, l->task_id,
                                                      l->error_source, l->error_code, l->user_id, l->verdict));
                if (draft.step.item_count && draft.items[0].span_context)
                        json_object_set_new(shown, "trace", json_string(draft.items[0].span_context));
                if (draft.step.item_count && draft.items[0].message_count)
                        json_object_set_new(shown, "to", json_string(draft.items[0].messages[0].message->routing_key));
        }
        batch_clear(&b);
        map_free(held);
        json_decref(rows);
        return shown;
}

#define PARENT "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
static json_t *draft_of(const char *consumer, const char *page)
{
        return draft_with(catalog_consumer(shipped(), consumer), page);
}

#define HEARD(aggregate, type, payload)                                                                          \
        "[{'position': '9', 'id': 'e9', 'aggregate_type': '" aggregate "', 'aggregate_id': 'u1', 'type': '" type \
        "', 'payload': " payload ", 'created_at': '', 'tracingspancontext': 'a=b\\ntraceparent=" PARENT          \
        "\\ntracestate=a=1\\nbaggage=k\\\\=v\\n'}]"

static void what_is_stored_of_it(void **state)
{
        (void)state;
        static const struct {
                const char *label, *consumer, *page, *expected;
        } rows[] = {
                { "effects", "character", HEARD("scan", "RewardGranted", "{" PET "}"),
                  "{'items': 1, 'waits': 0, 'letters': 0, 'messages': 0, 'position': '9', 'trace': 'traceparent=" PARENT
                  "\\ntracestate=a=1\\nbaggage=k=v'}" },
                { "a task that is sent", "notification",
                  HEARD("profile", "ProfileUpdated", "{'user_id': 'u1', 'fields': {}}"),
                  "{'…': 1, 'items': 1, 'messages': 1, 'to': 'my.notify'}" },
                { "a dead letter", "character", HEARD("scan", "RewardGranted", "{'user_id': 'u1'}"),
                  "{'items': 0, 'waits': 0, 'letters': 1, 'messages': 0, 'position': '9', 'letter': ['character', 'consumer:character', 'character/e9',"
                  " 'consumer_logic', 'bad_payload', 'u1', 'permanent']}" },
                { "a dead letter without a payload", "character", HEARD("scan", "RewardGranted", "'{no json'"),
                  "{'…': 1, 'letter': ['character', 'consumer:character', 'character/e9', 'consumer', 'bad_event', '', 'permanent']}" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                assert_outcome(rows[i].label, rows[i].expected, draft_of(rows[i].consumer, rows[i].page));
}

static int always_refuses(const struct consumer_input *in, struct outcome *out, struct problem *why)
{
        outcome_event(out, "thing", "t", "Half", json_object());
        return problem_set(why, "consumer_logic", "no_stock", "%s", in->event->type);
}

static int says_why(const struct consumer_input *in, const struct problem *died, struct outcome *out)
{
        if (consumer_text(in, "quiet"))
                return 1;
        return outcome_event(out, "order", "o", "Undone", json_pack("{s:s}", "reason", died->code)) ||
               outcome_send(out, json_pack("{s:s, s:{s:s, s:s}}", "task", "tell.them", "options", "exchange", "",
                                           "routing_key", "tell"));
}

/* What those before it must undo is stored with its dead letter, and nothing of what it did itself. */
static void a_step_that_fails_for_good_says_what_is_to_be_undone(void **state)
{
        (void)state;
        static const struct consumer_def def = {
                .name = "stock", .hears = { "A" }, .act = always_refuses, .compensate = says_why
        };
        static const struct consumer stock = { .def = &def };
        static const struct {
                const char *label, *page, *expected;
        } rows[] = {
                { "refused", HEARD("thing", "A", "{}"),
                  "{'…': 1, 'items': 1, 'letters': 1, 'messages': 1, 'to': 'tell', 'position': '9'}" },
                { "nothing is to be undone", HEARD("thing", "A", "{'quiet': '1'}"),
                  "{'…': 1, 'items': 0, 'letters': 1}" },
                { "what it did not understand", HEARD("thing", "A", "{'schema_version': 2}"),
                  "{'…': 1, 'items': 0, 'letters': 1}" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                assert_outcome(rows[i].label, rows[i].expected, draft_with(&stock, rows[i].page));
}

static void a_constant_that_can_not_be_run_is_refused(void **state)
{
        (void)state;
        static const struct consumer_def defs[] = {
                { .hears = { "A" }, .act = never_asked },
                { .name = "With Blank", .hears = { "A" }, .act = never_asked },
                { .name = "a/b", .hears = { "A" }, .act = never_asked },
                { .name = "deaf", .act = never_asked },
                { .name = "idle", .hears = { "A" } },
        };
        struct problem why;
        for (size_t i = 0; i < sizeof(defs) / sizeof(defs[0]); i++)
                assert_int_equal(consumer_check(&defs[i], &why), 1);
        assert_int_equal(consumer_check(&listener, &why), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_may_be_acted_on_at_once),
                cmocka_unit_test(what_the_shipped_ones_make_of_events),
                cmocka_unit_test(what_is_stored_of_it),
                cmocka_unit_test(a_step_that_fails_for_good_says_what_is_to_be_undone),
                cmocka_unit_test(a_constant_that_can_not_be_run_is_refused),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
