/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/ai.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEY     "sk-live-0123456789abcdef"
#define HOUR_MS 3600000

#define ANSWER(content)                                                                                            \
        "{\"id\":\"c\",\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"," \
        "\"message\":{\"role\":\"assistant\",\"content\":" content ",\"refusal\":null}}],"                         \
        "\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":100,\"total_tokens\":1100}}"
#define ERROR(code, type) "{\"error\":{\"message\":\"no luck\",\"type\":" type ",\"param\":null,\"code\":" code "}}"
#define BOTTLE            "\"{\\\"middle\\\":\\\"glass\\\"}\""

static const struct row {
        const char *what;
        struct ai_response response;
        const char *body;
        enum ai_verdict verdict;
        const char *code;
        uint64_t wait_ms;
} rows[] = {
        /* answers */
        { "an answer", { .status = 200 }, ANSWER(BOTTLE), AI_OK, "", 0 },
        { "another 2xx", { .status = 201 }, ANSWER(BOTTLE), AI_OK, "", 0 },
        { "breaks the schema", { .status = 200 }, ANSWER("\"{}\""), AI_TRANSIENT, "schema_mismatch", 0 },
        { "content is no JSON", { .status = 200 }, ANSWER("\"sure!\""), AI_TRANSIENT, "bad_json", 0 },
        { "content is empty", { .status = 200 }, ANSWER("\"\""), AI_TRANSIENT, "empty", 0 },
        { "content is null", { .status = 200 }, ANSWER("null"), AI_TRANSIENT, "no_content", 0 },
        { "no choices", { .status = 200 }, "{\"choices\":[]}", AI_TRANSIENT, "no_content", 0 },
        { "another object", { .status = 200 }, "{}", AI_TRANSIENT, "no_content", 0 },
        { "no object", { .status = 200 }, "[1]", AI_TRANSIENT, "no_content", 0 },
        { "cut JSON", { .status = 200 }, "{\"choices\":[{\"mess", AI_TRANSIENT, "bad_json", 0 },
        { "nothing", { .status = 200 }, "", AI_TRANSIENT, "empty", 0 },
        { "invalid UTF-8",
          { .status = 200 },
          ANSWER("\"{\\\"middle\\\":\\\"\xff\\\"}\""),
          AI_TRANSIENT,
          "bad_json",
          0 },
        { "cut at the limit of tokens",
          { .status = 200 },
          "{\"choices\":[{\"finish_reason\":\"length\",\"message\":{\"content\":\"{\\\"mid\"}}]}",
          AI_TRANSIENT,
          "length",
          0 },
        { "refused",
          { .status = 200 },
          "{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":null,\"refusal\":\"I can't help\"}}]}",
          AI_PERMANENT,
          "refused",
          0 },
        { "filtered",
          { .status = 200 },
          "{\"choices\":[{\"finish_reason\":\"content_filter\",\"message\":{\"content\":\"{}\"}}]}",
          AI_PERMANENT,
          "content_filter",
          0 },
        /* no response */
        { "no connection", { .transport_error = "Connection refused" }, "", AI_TRANSIENT, "connection", 0 },
        { "nothing at all", { .status = 0 }, "", AI_TRANSIENT, "connection", 0 },
        { "a time-out", { .timed_out = true, .transport_error = "late" }, "", AI_TRANSIENT, "timeout", 0 },
        { "a time-out after the head", { .status = 200, .timed_out = true }, "{", AI_TRANSIENT, "timeout", 0 },
        { "cut in the middle", { .status = 200, .transport_error = "x" }, ANSWER("{}"), AI_TRANSIENT, "connection", 0 },
        { "too large",
          { .status = 200, .transport_error = "larger", .too_big = true },
          "",
          AI_TRANSIENT,
          "reply_too_large",
          0 },
        { "a page about an error, too large",
          { .status = 502, .transport_error = "larger", .too_big = true },
          "",
          AI_TRANSIENT,
          "connection",
          0 },
        /* rate limits */
        { "rate limit",
          { .status = 429 },
          ERROR("\"rate_limit_exceeded\"", "\"requests\""),
          AI_WAIT,
          "rate_limit_exceeded",
          0 },
        { "plain 429", { .status = 429 }, "<html>Too many</html>", AI_WAIT, "http_429", 0 },
        { "another endpoint's 429", { .status = 429 }, ERROR("\"429\"", "null"), AI_WAIT, "429", 0 },
        { "slow down 503", { .status = 503 }, ERROR("\"slow_down\"", "null"), AI_WAIT, "slow_down", 0 },
        { "slow down 429", { .status = 429 }, ERROR("\"slow_down\"", "\"rate_limit_error\""), AI_WAIT, "slow_down", 0 },
        { "Retry-After", { .status = 429, .retry_after = "30" }, ERROR("null", "null"), AI_WAIT, "http_429", 30000 },
        { "Retry-After 0", { .status = 429, .retry_after = "0" }, "", AI_WAIT, "http_429", 0 },
        { "Retry-After as a date",
          { .status = 429, .retry_after = "Thu, 01 Jan 1970 00:00:20 GMT", .now_ms = 5000 },
          "",
          AI_WAIT,
          "http_429",
          15000 },
        { "Retry-After huge", { .status = 429, .retry_after = "999999999" }, "", AI_WAIT, "http_429", HOUR_MS },
        { "Retry-After negative", { .status = 429, .retry_after = "-5" }, "", AI_WAIT, "http_429", 0 },
        { "in milliseconds",
          { .status = 429, .retry_after = "2", .retry_after_ms = "1250" },
          "",
          AI_WAIT,
          "http_429",
          1250 },
        { "in too many", { .status = 429, .retry_after_ms = "1e30" }, "", AI_WAIT, "http_429", HOUR_MS },
        { "in garbage",
          { .status = 429, .retry_after = "2", .retry_after_ms = "soon" },
          "",
          AI_WAIT,
          "http_429",
          2000 },
        { "the limit that is used up",
          { .status = 429,
            .remaining_requests = "0",
            .reset_requests = "20ms",
            .remaining_tokens = "9",
            .reset_tokens = "6m0s" },
          "",
          AI_WAIT,
          "http_429",
          20 },
        { "both used up: the later",
          { .status = 429,
            .remaining_requests = "0",
            .reset_requests = "1s",
            .remaining_tokens = "0",
            .reset_tokens = "6m0s" },
          "",
          AI_WAIT,
          "http_429",
          360000 },
        { "no limit used up",
          { .status = 429,
            .remaining_requests = "3",
            .reset_requests = "1s",
            .remaining_tokens = "7",
            .reset_tokens = "6m0s" },
          "",
          AI_WAIT,
          "http_429",
          0 },
        { "Retry-After wins over resets",
          { .status = 429, .retry_after = "3", .remaining_requests = "0", .reset_requests = "9s" },
          "",
          AI_WAIT,
          "http_429",
          3000 },
        { "a broken reset",
          { .status = 429,
            .remaining_requests = "0",
            .reset_requests = "-",
            .remaining_tokens = "0",
            .reset_tokens = "2s" },
          "",
          AI_WAIT,
          "http_429",
          2000 },
        /* money */
        { "no quota",
          { .status = 429, .retry_after = "9" },
          ERROR("\"insufficient_quota\"", "\"insufficient_quota\""),
          AI_WAIT,
          "insufficient_quota",
          0 },
        { "no credit",
          { .status = 429 },
          ERROR("\"credit_balance_exhausted\"", "\"insufficient_quota\""),
          AI_WAIT,
          "credit_balance_exhausted",
          0 },
        { "a code nobody knows yet",
          { .status = 429 },
          ERROR("\"team_limit_exceeded\"", "\"insufficient_quota\""),
          AI_WAIT,
          "team_limit_exceeded",
          0 },
        { "pay first", { .status = 402 }, ERROR("null", "null"), AI_WAIT, "http_402", 0 },
        /* other refusals */
        { "bad key", { .status = 401 }, ERROR("\"invalid_api_key\"", "\"x\""), AI_WAIT, "invalid_api_key", 0 },
        { "forbidden", { .status = 403 }, "no", AI_WAIT, "http_403", 0 },
        { "bad request",
          { .status = 400 },
          ERROR("null", "\"invalid_request_error\""),
          AI_PERMANENT,
          "invalid_request_error",
          0 },
        { "filtered request",
          { .status = 400 },
          ERROR("\"content_filter\"", "null"),
          AI_PERMANENT,
          "content_filter",
          0 },
        { "no such model", { .status = 404 }, ERROR("\"model_not_found\"", "\"x\""), AI_WAIT, "model_not_found", 0 },
        { "too large", { .status = 413 }, "", AI_PERMANENT, "http_413", 0 },
        { "a redirect", { .status = 301 }, "", AI_WAIT, "http_301", 0 },
        { "no HTTP status we know", { .status = 999 }, "", AI_TRANSIENT, "http_999", 0 },
        /* may pass */
        { "request time-out", { .status = 408 }, "", AI_TRANSIENT, "http_408", 0 },
        { "conflict", { .status = 409 }, "", AI_TRANSIENT, "http_409", 0 },
        { "server error", { .status = 500 }, ERROR("null", "\"server_error\""), AI_TRANSIENT, "server_error", 0 },
        { "bad gateway", { .status = 502 }, "<html>", AI_TRANSIENT, "http_502", 0 },
        { "overloaded",
          { .status = 503, .retry_after = "4" },
          ERROR("\"server_is_overloaded\"", "null"),
          AI_TRANSIENT,
          "server_is_overloaded",
          4000 },
        { "resets are for rate limits",
          { .status = 503, .remaining_requests = "0", .reset_requests = "9s" },
          "",
          AI_TRANSIENT,
          "http_503",
          0 },
        { "overloaded elsewhere", { .status = 529 }, "", AI_TRANSIENT, "http_529", 0 },
        /* errors in other clothes */
        { "under 200", { .status = 200 }, ERROR("429", "null"), AI_WAIT, "http_429", 0 },
        { "under 200, permanent", { .status = 200 }, ERROR("401", "null"), AI_WAIT, "http_401", 0 },
        { "under 200, no number", { .status = 200 }, ERROR("\"oops\"", "null"), AI_TRANSIENT, "oops", 0 },
        { "as a text", { .status = 400 }, "{\"error\":\"no luck\"}", AI_PERMANENT, "http_400", 0 },
        { "as a list", { .status = 400 }, "[{\"error\":{\"code\":400}}]", AI_PERMANENT, "http_400", 0 },
        { "an impossible code",
          { .status = 400 },
          ERROR("\"has spaces; and more\"", "\"\""),
          AI_PERMANENT,
          "http_400",
          0 },
        { "a code that is the key", { .status = 400 }, ERROR("\"" KEY "\"", "\"t\""), AI_PERMANENT, "t", 0 },
};

static json_t *glass_schema(void)
{
        return json_pack("{ss s{s{ss}} s[s] sb}", "type", "object", "properties", "middle", "type", "string",
                         "required", "middle", "additionalProperties", 0);
}

static void each_response_is_judged(void **state)
{
        (void)state;
        json_t *schema = glass_schema();
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct ai_reply reply;
                struct ai_response response = rows[i].response;
                response.body = bytes_of_string(rows[i].body);
                response.secret = KEY;
                ai_judge(&response, schema, &reply);
                if (reply.verdict != rows[i].verdict || strcmp(reply.why.code, rows[i].code) != 0 ||
                    reply.wait_ms != rows[i].wait_ms)
                        fail_msg("%s: verdict %d, code '%s', wait %llu (%s)", rows[i].what, reply.verdict,
                                 reply.why.code, (unsigned long long)reply.wait_ms, reply.why.text);
                if (reply.verdict != AI_OK)
                        assert_string_equal(reply.why.source, "provider");
                assert_int_equal(reply.content != NULL, reply.verdict == AI_OK);
                json_decref(reply.content);
        }
        json_decref(schema);
}

/* Has the model itself said something? Else the endpoint may be out. */
static void what_comes_whole_is_told_from_what_does_not(void **state)
{
        (void)state;
        static const struct {
                struct ai_response response;
                const char *body;
                bool whole;
        } said[] = {
                { { .status = 200 }, ANSWER(BOTTLE), true },
                { { .status = 200 }, ANSWER("\"sure!\""), true },
                { { .status = 200 }, ANSWER("\"{}\""), true },
                { { .status = 200 },
                  "{\"choices\":[{\"finish_reason\":\"length\",\"message\":{\"content\":\"{\"}}]}",
                  true },
                /* all tokens went into thoughts, which are paid for */
                { { .status = 200 },
                  "{\"choices\":[{\"finish_reason\":\"MAX_TOKENS\",\"message\":{\"role\":\"assistant\"}}],"
                  "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":8192}}",
                  true },
                { { .status = 200 }, "{\"choices\":[{\"finish_reason\":\"MAX_TOKENS\",\"message\":{}}]}", true },
                { { .status = 200 }, "{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{}}]}", true },
                { { .status = 200 }, "{\"choices\":[],\"usage\":{\"completion_tokens\":1}}", true },
                { { .status = 200 }, "{\"choices\":[],\"usage\":{\"completion_tokens\":0}}", false },
                { { .status = 200 }, "{\"choices\":[{\"finish_reason\":\"error\",\"message\":{}}]}", false },
                { { .status = 200 }, "{\"choices\":[{\"finish_reason\":\"\",\"message\":{}}]}", false },
                { { .status = 200 }, "{\"choices\":[]}", false },
                { { .status = 200 }, "<html>back soon</html>", false },
                { { .status = 200 }, "", false },
                { { .status = 200 }, ERROR("500", "null"), false },
                { { .status = 200, .transport_error = "cut" }, ANSWER(BOTTLE), false },
                { { .status = 200, .transport_error = "larger", .too_big = true }, "{", true },
                { { .status = 502, .transport_error = "larger", .too_big = true }, "<", false },
                { { .status = 503 }, "", false },
                { { .status = 429 }, "", false },
                { { .timed_out = true }, "", false },
        };
        json_t *schema = glass_schema();
        for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
                struct ai_reply reply;
                struct ai_response response = said[i].response;
                response.body = bytes_of_string(said[i].body);
                ai_judge(&response, schema, &reply);
                if (reply.whole != said[i].whole)
                        fail_msg("%zu: %s", i, said[i].body);
                json_decref(reply.content);
        }
        json_decref(schema);
}

static void an_answer_brings_its_content_and_its_price(void **state)
{
        (void)state;
        struct ai_reply reply;
        const struct ai_response response = { .status = 200, .body = bytes_of_string(ANSWER(BOTTLE)) };
        ai_judge(&response, NULL, &reply);
        assert_int_equal(reply.verdict, AI_OK);
        assert_string_equal(json_string_value(json_object_get(reply.content, "middle")), "glass");
        assert_string_equal(reply.model, "gpt-4o-mini-2024-07-18");
        assert_int_equal(reply.tokens_in, 1000);
        assert_int_equal(reply.tokens_out, 100);
        assert_int_equal(reply.cost_nano, 1000 * 150 + 100 * 600);
        json_decref(reply.content);
}

static void a_useless_answer_was_paid_all_the_same(void **state)
{
        (void)state;
        struct ai_reply reply;
        const struct ai_response response = { .status = 200, .body = bytes_of_string(ANSWER("\"{\"")) };
        ai_judge(&response, NULL, &reply);
        assert_int_equal(reply.verdict, AI_TRANSIENT);
        assert_int_equal(reply.cost_nano, 1000 * 150 + 100 * 600);
}

static void hostile_numbers_do_no_harm(void **state)
{
        (void)state;
        struct ai_reply reply;
        const char *body =
                "{\"model\":\"0123456789012345678901234567890123456789012345678901234567890123456789\xea\xb0\x80\","
                "\"choices\":[{\"message\":{\"content\":\"1\"}}],"
                "\"usage\":{\"prompt_tokens\":-5,\"completion_tokens\":9223372036854775807}}";
        const struct ai_response response = { .status = 200, .body = bytes_of_string(body) };
        ai_judge(&response, NULL, &reply);
        assert_int_equal(reply.verdict, AI_OK);
        assert_int_equal(reply.tokens_in, 0);
        assert_int_equal(reply.tokens_out, UINT32_MAX);
        assert_int_equal(strlen(reply.model), sizeof(reply.model) - 1);
        json_decref(reply.content);
}

static void deep_json_is_refused_not_followed(void **state)
{
        (void)state;
        enum { DEPTH = 100000 };
        char *body = malloc(DEPTH);
        assert_non_null(body);
        memset(body, '[', DEPTH);
        struct ai_reply reply;
        const struct ai_response response = { .status = 200, .body = bytes_of(body, DEPTH) };
        ai_judge(&response, NULL, &reply);
        assert_int_equal(reply.verdict, AI_TRANSIENT);
        assert_string_equal(reply.why.code, "bad_json");
        free(body);
}

static void the_key_is_never_quoted(void **state)
{
        (void)state;
        static const char *const bodies[] = {
                "{\"error\":{\"message\":\"Incorrect API key provided: " KEY ".\",\"code\":\"invalid_api_key\"}}",
                "{\"error\":{\"message\":\"Incorrect API key provided: sk-live-0****cdef\",\"code\":null}}",
                "{\"error\":\"bad " KEY "\"}",
                "you sent Authorization: Bearer " KEY,
                "{" KEY "}",
        };
        for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
                struct ai_reply reply;
                const struct ai_response response = { .status = 401,
                                                      .body = bytes_of_string(bodies[i]),
                                                      .secret = KEY };
                ai_judge(&response, NULL, &reply);
                assert_int_equal(reply.verdict, AI_WAIT);
                assert_null(strstr(reply.why.text, "0123"));
                assert_null(strstr(reply.why.text, "sk-"));
                assert_null(strstr(reply.why.text, "cdef"));
                assert_non_null(strstr(reply.why.text, "***"));
        }
}

/* A model may say anything, and a parser quotes what it stumbles over. */
static void the_key_is_not_quoted_from_an_answer(void **state)
{
        (void)state;
        static const char *const contents[] = { "\"{" KEY "}\"", "\"[\\\"" KEY "\\\"]\"", "{" KEY "}" };
        json_t *schema = json_pack("{s{s[s]}}", "items", "enum", "x");
        for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
                char body[400];
                struct ai_reply reply;
                snprintf(body, sizeof(body),
                         "{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":%s}}]}", contents[i]);
                const struct ai_response response = { .status = 200, .body = bytes_of_string(body), .secret = KEY };
                ai_judge(&response, schema, &reply);
                assert_int_equal(reply.verdict, AI_TRANSIENT);
                assert_null(strstr(reply.why.text, "0123456789"));
        }
        json_decref(schema);
}

static void the_text_tells_status_and_words(void **state)
{
        (void)state;
        struct ai_reply reply;
        const struct ai_response response = { .status = 500, .body = bytes_of_string(ERROR("null", "null")) };
        ai_judge(&response, NULL, &reply);
        assert_string_equal(reply.why.text, "the provider answered 500: no luck");
        const struct ai_response late = { .timed_out = true, .transport_error = "Operation timed out after 50 ms" };
        ai_judge(&late, NULL, &reply);
        assert_string_equal(reply.why.text, "the provider did not answer in time: Operation timed out after 50 ms");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_response_is_judged),
                cmocka_unit_test(what_comes_whole_is_told_from_what_does_not),
                cmocka_unit_test(an_answer_brings_its_content_and_its_price),
                cmocka_unit_test(a_useless_answer_was_paid_all_the_same),
                cmocka_unit_test(hostile_numbers_do_no_harm),
                cmocka_unit_test(deep_json_is_refused_not_followed),
                cmocka_unit_test(the_key_is_never_quoted),
                cmocka_unit_test(the_key_is_not_quoted_from_an_answer),
                cmocka_unit_test(the_text_tells_status_and_words),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
