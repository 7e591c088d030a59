/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/task_try.h"

#include "consumers/models/bulk.h"
#include "core/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- bulk requests ---- */

static const struct read_model things = { .name = "things" };

static void a_bulk_request_has_two_lines_a_document(void **state)
{
        (void)state;
        const struct bulk_item items[] = {
                { .index = "things",
                  .id = "a\"b",
                  .version = 3,
                  .model = &things,
                  .body = bytes_of_string("{\"a\":1}") },
                { .index = "things-17", .id = "c", .version = 9000000000000000, .body = bytes_of_string("{}") },
        };
        struct buffer out = { 0 };
        for (size_t i = 0; i < 2; i++)
                bulk_add(&out, &items[i]);
        buffer_add_byte(&out, '\0');
        assert_string_equal(
                (const char *)out.data,
                "{\"index\":{\"_index\":\"things\",\"_id\":\"a\\\"b\",\"version\":3,\"version_type\":\"external\",\"require_alias\":true}}\n{\"a\":1}\n"
                "{\"index\":{\"_index\":\"things-17\",\"_id\":\"c\",\"version\":9000000000000000,\"version_type\":\"external\",\"require_alias\":false}}\n{}\n");
        buffer_free(&out);
}

static const char *const ends[] = { "written", "newer", "refused", "later", "gone" };
static const char *const verdicts[] = { "judged", "split", "away" };

#define ITEM(status, type) "{\"index\":{\"status\":" #status ",\"error\":{\"type\":\"" type "\",\"reason\":\"r\"}}}"
#define DONE               "{\"index\":{\"status\":201}}"

static void what_an_answer_says_of_each(void **state)
{
        (void)state;
        static const struct {
                const char *label;
                size_t count;
                long status;
                const char *answer, *expected;
        } rows[] = {
                { "all written", 2, 200, "{\"items\":[" DONE "," DONE "]}", "judged written written" },
                { "one newer", 2, 200, "{\"items\":[" DONE "," ITEM(409, "version_conflict_engine_exception") "]}",
                  "judged written newer" },
                { "a mapping", 2, 200, "{\"items\":[" ITEM(400, "mapper_parsing_exception") "," DONE "]}",
                  "judged refused written" },
                { "too many", 2, 200, "{\"items\":[" ITEM(429, "rejected_execution_exception") "," DONE "]}",
                  "judged later written" },
                { "its own fault", 1, 200, "{\"items\":[" ITEM(500, "x") "]}", "judged later" },
                { "a full disk", 1, 200, "{\"items\":[" ITEM(403, "cluster_block_exception") "]}", "judged later" },
                { "may not", 1, 200, "{\"items\":[" ITEM(403, "security_exception") "]}", "judged later" },
                { "closed", 1, 200, "{\"items\":[" ITEM(400, "index_closed_exception") "]}", "judged later" },
                { "no index", 1, 200, "{\"items\":[" ITEM(404, "index_not_found_exception") "]}", "judged gone" },
                { "no status", 1, 200, "{\"items\":[{\"index\":{}}]}", "judged refused" },
                { "fewer", 2, 200, "{\"items\":[" DONE "]}", "away" },
                { "none", 1, 200, "{}", "away" },
                { "no JSON", 1, 200, "<html>", "away" },
                { "nothing", 1, 200, "", "away" },
                { "a broken line among several", 2, 400, "{\"error\":{\"type\":\"x\",\"reason\":\"r\"}}", "split" },
                { "a broken line", 1, 400, "{\"error\":{\"type\":\"x\",\"reason\":\"r\"}}", "judged refused" },
                { "too large", 2, 413, "", "split" },
                { "too large alone", 1, 413, "", "judged refused" },
                { "whoever that is", 1, 401, "Unauthorized", "away" },
                { "not now", 2, 429, "{}", "away" },
                { "a gateway", 2, 502, "<html>", "away" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct bulk_item items[2] = { { .index = "things", .id = "a" }, { .index = "things", .id = "b" } };
                struct problem why = { 0 };
                char got[64];
                const enum bulk_verdict verdict =
                        bulk_read_answer(items, rows[i].count, rows[i].status, bytes_of_string(rows[i].answer), &why);
                snprintf(got, sizeof(got), "%s", verdicts[verdict]);
                for (size_t n = 0; verdict == BULK_JUDGED && n < rows[i].count; n++)
                        strcat(strcat(got, " "), ends[items[n].end]);
                if (verdict == BULK_AWAY && (strcmp(why.code, "away") != 0 || !*why.text))
                        fail_msg("%s: it does not say why", rows[i].label);
                if (strcmp(got, rows[i].expected) != 0)
                        fail_msg("%s: expected %s, but got %s", rows[i].label, rows[i].expected, got);
        }
}

/* ---- the shipped projectors ---- */

#define EVENT(n, type, payload) \
        "{'type': '" type "', 'version': " #n ", 'payload': " payload ", 'created_at': 'T" #n "'}"
#define SEEN     EVENT(1, "ScanClassified", "{'user_id': 'u', 'category': 'pet', 'disposal_rules': [1]}")
#define ANSWERED EVENT(2, "ScanAnswered", "{'user_id': 'u', 'answer': 'a'}")
#define ASKED    EVENT(1, "ChatClassified", "{'user_id': 'u', 'text': 'q'}")

static void what_projectors_show(void **state)
{
        (void)state;
        static const struct {
                const char *label, *consumer, *of, *history, *facts, *expected;
        } rows[] = {
                { "the first event", "scans", "scan", "[" SEEN "]", NULL,
                  "{'sections': {}, 'documents': [{'of': 'scans x  1', 'value': {'job_id': 'x', 'user_id': 'u', 'category': 'pet', 'reward': null,"
                  " 'created_at': 'T1', 'updated_at': 'T1'}}]}" },
                { "all of them, whichever is heard", "scans", "scan",
                  "[" SEEN "," ANSWERED "," EVENT(3, "RewardGranted", "{'character_id': 'c'}") "]", NULL,
                  "{'…': 1, 'documents': [{'of': 'scans x  3', 'value': {'…': 1, 'answer': 'a', 'reward': 'c', 'created_at': 'T1', 'updated_at': 'T3'}}]}" },
                { "a reward that was taken back", "scans", "scan",
                  "[" SEEN
                  "," EVENT(2, "RewardGranted", "{'character_id': 'c'}") "," EVENT(3, "RewardRevoked", "{}") "]",
                  NULL, "{'…': 1, 'documents': [{'of': 'scans x  3', 'value': {'…': 1, 'reward': null}}]}" },
                { "deleted", "scans", "scan",
                  "[" SEEN "," EVENT(2, "ScanDeleted", "{}") "," EVENT(3, "ScanAnswered", "{}") "]", NULL,
                  "{'sections': {}, 'documents': [{'of': 'scans x  3', 'value': null}]}" },
                { "a chat", "chats", "chat", "[" ASKED "]", NULL,
                  "{'…': 1, 'documents': [{'of': 'chats x  1', 'value': {'…': 1, 'text': 'q'}}]}" },
                { "its conversation", "pages", "chat", "[" ASKED "]", NULL,
                  "{'…': 1, 'documents': [{'of': 'conversation u x 1', 'value': {'…': 1, 'text': 'q'}}]}" },
                { "a conversation of nobody", "pages", "chat", "[" EVENT(1, "ChatClassified", "{'text': 'q'}") "]",
                  NULL, "{'sections': {}}" },
                { "a page", "pages", "profile", "[" EVENT(7, "ProfileUpdated", "{'user_id': 'u'}") "]",
                  "{'profile': {'u': {'nickname': 'n'}}}",
                  "{'…': 1, 'documents': [{'of': 'page u profile 7', 'value': {'fields': {'nickname': 'n'}}}]}" },
                { "nothing in the event store", "scans", "scan", "[]", NULL,
                  "{'refused': {'source': 'consumer', 'code': 'no_history', 'text': '…'}}" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                json_t *history = json_of(rows[i].history);
                assert_outcome(rows[i].label, rows[i].expected,
                               try_projector(rows[i].consumer, rows[i].of, history, rows[i].facts));
                json_decref(history);
        }
}

static int strays(const struct consumer_input *in, struct outcome *out, struct problem *why)
{
        (void)why;
        return outcome_document(out, &(struct document){ .model = "others", .id = "x", .version = in->version },
                                json_object());
}

static void a_projector_that_is_none(void **state)
{
        (void)state;
        static const struct consumer_def named = {
                .name = "p", .hears = { "A" }, .act = strays, .writes = { { "No Name", READ_MODEL_SEARCH, NULL } }
        };
        static const struct consumer_def stray = {
                .name = "p", .hears = { "A" }, .act = strays, .writes = { { "own", READ_MODEL_SEARCH, NULL } }
        };
        struct problem why = { 0 };
        struct arena arena = { 0 };
        struct outcome out;
        json_t *payload = json_object(), *history = json_of("[{'version': 1}]");
        const struct consumer_event event = { "e", "A", "t", "x", payload, NULL };
        const struct consumer_input in = {
                .consumer = &stray, .event = &event, .history = history, .version = 1, .arena = &arena
        };
        assert_int_equal(consumer_check(&named, &why), 1);
        assert_int_equal(consumer_check(&stray, &why), 0);
        assert_int_equal(outcome_open(&out, &arena), 0);
        assert_int_equal(consumer_run(&stray, &in, &out, &why), 1);
        assert_string_equal(why.code, "bad_answer");
        outcome_close(&out);
        arena_free(&arena);
        json_decref(payload);
        json_decref(history);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_bulk_request_has_two_lines_a_document),
                cmocka_unit_test(what_an_answer_says_of_each),
                cmocka_unit_test(what_projectors_show),
                cmocka_unit_test(a_projector_that_is_none),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
