/* SPDX-License-Identifier: Apache-2.0 */
/* What is left of an error message when what differs from entry to entry is taken out, and the groups that are made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dlq/letter.h"

#include <string.h>

static void a_cause_leaves_out_what_differs(void **state)
{
        (void)state;
        static const struct {
                const char *message, *cause;
        } rows[] = {
                { "", "" },
                { "the provider answered 503", "the provider answered 503" },
                { "no answer within 30000 ms", "no answer within <n> ms" },
                { "task 0b2f0f0e-6d7e-4b55-a3c4-0d9a8f6c1d11 failed", "task <id> failed" },
                { "see https://api.example/v1/x?y=1 (again)", "see <url> (again)" },
                { "gpt-4o-mini refused: utf8", "gpt-4o-mini refused: utf8" },
                { "/answer/disposal_steps/3: too short", "/answer/disposal_steps/<n>: too short" },
                { "no task is named \"scan.visoin\"", "no task is named \"scan.visoin\"" },
                { "it said \"one two three four five six seven eight nine ten\" then", "it said \"…\" then" },
                { "at 2026-11-21 08:00:00.123", "at <time>" },
                { "until Mon, 30 Nov 2026 01:58:32 GMT.", "until <time>." },
                { "since 2026-11-30T01:58:32.123Z", "since <time>" },
                { "deadbeefcafe0123 is no id of 12,5 %", "<id> is no id of <n> %" },
                { "한글 7", "한글 <n>" },
                { "사용자가 “플라스틱 컵 버려요”라고 했습니다", "사용자가 \"…\"라고 했습니다" },
                { "사용자 「컵」, 『병』, ‘캔’", "사용자 \"…\", \"…\", \"…\"" },
                { "user 'I can't tell' wrote", "user \"…\" wrote" },
                { "can't read the user's file", "can't read the user's file" },
                { "Unsupported parameter: 'max_tokens' is not supported",
                  "Unsupported parameter: \"max_tokens\" is not supported" },
                { "Unsupported parameter: 'temperature'.", "Unsupported parameter: \"temperature\"." },
                { "the field \"material\" is missing", "the field \"material\" is missing" },
                { "nobody is called \"alice\"", "nobody is called \"…\"" },
                { "The model 'gpt-4o-2024-08-06' does not exist", "The model \"gpt-4o-2024-08-06\" does not exist" },
                { "model claude-3-5-sonnet-20241022 is overloaded", "model claude-3-5-sonnet-20241022 is overloaded" },
                { "request id: req_011CSHoEeqs5C35K2UUqR7Fy", "request id: <id>" },
                { "chatcmpl-AbCdEf123456 was cut", "<id> was cut" },
                { "in organization org-Xk3mQ9aaP2LrTz on tokens", "in organization <id> on tokens" },
                { "pod worker-7d9f8b6c5-x2x9z died", "pod <id> died" },
                { "user42 asked, user_43 too", "<id> asked, <id> too" },
                { "Limit 30000, Used 29731, Requested 1044. Please try again in 1m30.5s.",
                  "Limit <n>, Used <n>, Requested <n>. Please try again in <n>." },
                { "retry in 1 second", "retry in <n> second" },
                { "retry in 20 seconds", "retry in <n> second" },
                { "12KB of 20%, -3 or +4", "<n> of <n>, <n> or <n>" },
                { "mail to a.b+c@example.org, please", "mail to <email>, please" },
                { "open /tmp/chard/x9.png: no such file", "open <path>: no such file" },
                { "no route POST /v1/responses", "no route POST /v1/responses" },
                { "IMG_0042.HEIC is no picture", "<file> is no picture" },
                { "connect to 10.0.0.12:5432 or fe80::1", "connect to <n> or <ip>" },
                { "HTTP 429 from 10.1.1.1", "HTTP 429 from <n>" },
                { "500 Internal Server Error", "500 Internal Server Error" },
                { "500 tokens too many", "<n> token too many" },
                { "{\"error\": {\"message\": \"Rate limit of 12\", \"code\": 429}}",
                  "{\"…\": {\"…\": \"Rate limit of <n>\", \"…\": 429}}" },
                { "it began with \"안녕하세요 저는", "it began with \"…\"" },
                { "two  blanks\nand a line", "two blanks and a line" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct arena a = { 0 };
                const char *cause = letter_cause(&a, rows[i].message);
                assert_non_null(cause);
                assert_string_equal(cause, rows[i].cause);
                arena_free(&a);
        }
}

static void group_of(const char *message, char out[LETTER_GROUP_SIZE])
{
        struct arena a = { 0 };
        struct dead_letter letter = { .name = "scan.vision",
                                      .queue = "scan.vision",
                                      .error_source = "provider",
                                      .error_code = "http_400",
                                      .error_message = message,
                                      .verdict = "" };
        letter.cause = letter_cause(&a, message);
        assert_non_null(letter.cause);
        assert_true(letter_group(&letter, out));
        arena_free(&a);
}

/* Each row is one cause, as vendors tell it of several requests. */
static void a_cause_is_a_group(void **state)
{
        (void)state;
        static const char *const rows[][3] = {
                { "Rate limit reached for gpt-4o in organization org-Xk3mQ9aaP2LrTz on tokens per min (TPM): Limit 30000, Used 29731, Requested 1044. Please try again in 1.55s. Visit https://platform.example/account/rate-limits to learn more.",
                  "Rate limit reached for gpt-4o in organization org-Bb7Z1kkQw0pLmN on tokens per min (TPM): Limit 450000, Used 449101, Requested 9. Please try again in 20ms. Visit https://platform.example/account/rate-limits to learn more.",
                  "Rate limit reached for gpt-4o in organization org-1aB2c3D4e5F6g7 on tokens per min (TPM): Limit 1, Used 0, Requested 1044. Please try again in 1m30s. Visit https://platform.example/x to learn more." },
                { "This model's maximum context length is 128000 tokens. However, your messages resulted in 130001 tokens.",
                  "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
                  "This model's maximum context length is 1 token. However, your messages resulted in 2 tokens." },
                { "Overloaded (request id: req_011CSHoEeqs5C35K2UUqR7Fy)",
                  "Overloaded (request id: req_018EeXy7tQvGh21AbCdEfGhI)", "Overloaded (request id: req_vrtx_011CZ9)" },
                { "Invalid 'messages[12].content': string too long. Expected a string with maximum length 1048576, but got a string with length 1200331 instead.",
                  "Invalid 'messages[3].content': string too long. Expected a string with maximum length 1048576, but got a string with length 9 instead.",
                  "Invalid 'messages[0].content': string too long. Expected a string with maximum length 10, but got a string with length 11 instead." },
                { "Invalid 'messages[12].name': string too long. Expected a string with maximum length 64, but got a string with length 99 instead.",
                  "Invalid 'messages[1].name': string too long. Expected a string with maximum length 64, but got a string with length 100 instead.",
                  "Invalid 'messages[7].name': string too long. Expected a string with maximum length 64, but got a string with length 65 instead." },
                { "Error while downloading https://cdn.example/a/1.jpg.",
                  "Error while downloading https://img.example/b?x=2.",
                  "Error while downloading http://127.0.0.1:8080/c." },
                { "the question \"페트병은 어떻게 버려요?\" is off topic",
                  "the question “How do I throw away 3 jars” is off topic",
                  "the question 「냉장고 2대」 is off topic" },
                { "status 500 after 3.2s", "status 500 after 12ms", "status 500 after 1m2s" },
                { "status 429 after 3.2s", "status 429 after 12ms", "status 429 after 1m2s" },
                { "could not reach 10.2.3.4:443: timed out at 2026-11-30T01:58:32Z",
                  "could not reach 10.2.3.9:443: timed out at 2026-12-01 00:00:00.5+09:00",
                  "could not reach 192.168.1.1:8443: timed out at Mon, 30 Nov 2026 01:58:32 GMT" },
                { "user alice@example.com has no credit left: $0.03 of $5",
                  "user bob.lee@mail.example.kr has no credit left: $12.5 of $99",
                  "user x+y@z.io has no credit left: $0 of $1" },
                { "CUDA out of memory. Tried to allocate 2.00 GiB on node-7d9f8b6c5-x2x9z",
                  "CUDA out of memory. Tried to allocate 512.00 GiB on node-17",
                  "CUDA out of memory. Tried to allocate 1 GiB on node-aa11bb22cc" },
        };
        enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
        char groups[ROWS][LETTER_GROUP_SIZE];
        for (size_t i = 0; i < ROWS; i++) {
                group_of(rows[i][0], groups[i]);
                for (size_t k = 1; k < 3; k++) {
                        char other[LETTER_GROUP_SIZE];
                        group_of(rows[i][k], other);
                        if (strcmp(other, groups[i]) != 0)
                                print_error("another group: %s\n", rows[i][k]);
                        assert_string_equal(other, groups[i]);
                }
                for (size_t k = 0; k < i; k++)
                        assert_string_not_equal(groups[k], groups[i]);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_cause_leaves_out_what_differs),
                cmocka_unit_test(a_cause_is_a_group),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
