/* SPDX-License-Identifier: Apache-2.0 */
/* What is made of a provider's answer when memory is short: what would be made of it otherwise, or that it may pass. Never a message's end, nor an answer
 * that lacks a part. */
#include "ai/ai.h"
#include "core/json.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ANSWER(content)                                                                                      \
        "{\"model\":\"m\",\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":" content "}}]," \
        "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":1}}"
#define ERROR(code) "{\"error\":{\"message\":\"no luck\",\"type\":null,\"param\":null,\"code\":" code "}}"

static const struct {
        const char *label;
        long status;
        const char *body;
        enum ai_verdict verdict;
        enum ai_fault fault;
} rows[] = {
        { "an answer", 200, ANSWER("\"{\\\"a\\\":[1,{\\\"b\\\":\\\"c\\\"}]}\""), AI_OK, AI_FAULT_NONE },
        { "one in a fence", 200, ANSWER("\"```json\\n{\\\"a\\\":[1,{\\\"b\\\":\\\"c\\\"}]}\\n```\""), AI_OK,
          AI_FAULT_NONE },
        { "one that is an object", 200, ANSWER("{\"a\":[1,{\"b\":\"c\"}]}"), AI_OK, AI_FAULT_NONE },
        { "a key that nobody knows", 401, ERROR("\"invalid_api_key\""), AI_WAIT, AI_FAULT_ENDPOINT },
        { "no money", 429, ERROR("\"insufficient_quota\""), AI_WAIT, AI_FAULT_ENDPOINT },
        { "no such model", 404, ERROR("\"model_not_found\""), AI_WAIT, AI_FAULT_MODEL },
        { "a limit that says 400", 400, ERROR("\"rate_limit_exceeded\""), AI_WAIT, AI_FAULT_NONE },
};

static void judge(size_t row, struct ai_reply *reply)
{
        const struct ai_response response = { .status = rows[row].status, .body = bytes_of_string(rows[row].body) };
        *reply = (struct ai_reply){ 0 };
        ai_judge(&response, NULL, reply);
}

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

static size_t whole[sizeof(rows) / sizeof(rows[0])];

static int judge_all_whole(void **state)
{
        (void)state;
        json_watch_memory();
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct ai_reply reply;
                judge(i, &reply);
                whole[i] = values_in(reply.content);
                json_decref(reply.content);
                if (reply.verdict != rows[i].verdict || reply.fault != rows[i].fault) {
                        fprintf(stderr, "%s: %d %d\n", rows[i].label, (int)reply.verdict, (int)reply.fault);
                        return -1;
                }
        }
        return 0;
}

/* Not an assertion: those may fail while memory is short. A run that a signal ends is a bad one. */
static void a_verdict_is_the_same_or_none(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct ai_reply reply;
                judge(i, &reply);
                const bool same = reply.verdict == rows[i].verdict && reply.fault == rows[i].fault &&
                                  values_in(reply.content) == whole[i];
                json_decref(reply.content);
                if (!same && reply.verdict != AI_TRANSIENT) {
                        fprintf(stderr, "%s: %d %d\n", rows[i].label, (int)reply.verdict, (int)reply.fault);
                        raise(SIGKILL);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(a_verdict_is_the_same_or_none) };
        return cmocka_run_group_tests(tests, judge_all_whole, NULL);
}
