/* SPDX-License-Identifier: Apache-2.0 */
/* What a response means: an answer, or why there is none and whether asking again can help. Judged by HTTP status and by
 * error.code, because one status stands for several things: 429 is both "slow down" and "your credit is used up".
 * Sources: OpenAI guides "Error codes" and "Rate limits". */
#include "ai/ai.h"
#include "ai/envelope.h"
#include "ai/quote.h"
#include "core/json.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A longer wait is cut to this; if the provider still wants us to stay away then, it will say so again. */
enum { LONGEST_WAIT_MS = 3600 * 1000 };

struct rule {
        const char *code;  /* error.code or error.type, NULL = any */
        short least, most; /* HTTP status */
        enum ai_verdict verdict;
};

/* The first that fits decides. Billing comes before the limits: error.type is insufficient_quota whatever the code says. */
static const struct rule rules[] = {
        { "insufficient_quota", 400, 599, AI_PERMANENT },
        { "credit_balance_exhausted", 400, 599, AI_PERMANENT },
        { "organization_spend_limit_exceeded", 400, 599, AI_PERMANENT },
        { "project_spend_limit_exceeded", 400, 599, AI_PERMANENT },
        { "organization_usage_limit_exceeded", 400, 599, AI_PERMANENT },
        { "billing_hard_limit_reached", 400, 599, AI_PERMANENT },
        { "billing_not_active", 400, 599, AI_PERMANENT },
        { "invalid_api_key", 400, 599, AI_PERMANENT },
        { "content_filter", 400, 599, AI_PERMANENT },
        { "content_policy_violation", 400, 599, AI_PERMANENT },
        { "rate_limit_exceeded", 400, 599, AI_WAIT },
        { "slow_down", 400, 599, AI_WAIT },
        { NULL, 429, 429, AI_WAIT },
        { NULL, 408, 409, AI_TRANSIENT }, /* request time-out, conflict */
        { NULL, 425, 425, AI_TRANSIENT }, /* too early */
        { NULL, 500, 599, AI_TRANSIENT },
};

/* What the provider says about an error. */
struct complaint {
        long status;
        const char *code, *type; /* borrowed from the body, or "" */
        struct bytes message;
};

static bool judge_plainly(const struct ai_response *response, const json_t *schema, struct ai_reply *reply);
static void useless(struct ai_reply *reply, const char *secret);
static void judge_transport(const struct ai_response *response, struct ai_reply *reply);
static void judge_complaint(const struct ai_response *response, const json_t *body, struct ai_reply *reply);
static void judge_answer(const json_t *body, const struct ai_response *response, const json_t *schema,
                         struct ai_reply *reply);
static void judge_content(struct bytes content, const struct ai_response *response, const json_t *schema,
                          struct ai_reply *reply);
static void take_usage(struct bytes model, unsigned tokens_in, unsigned tokens_out, const char *secret,
                       struct ai_reply *reply);
static unsigned token_count(const json_t *usage, const char *key);
static struct complaint read_complaint(const struct ai_response *response, const json_t *body);
static enum ai_verdict verdict_on(const struct complaint *complaint);
static uint64_t asked_wait(const struct ai_response *response, enum ai_verdict verdict);
static void name_problem(const struct complaint *complaint, const char *secret, char *code, size_t room);

void ai_judge(const struct ai_response *response, const json_t *schema, struct ai_reply *reply)
{
        memset(reply, 0, sizeof(*reply));
        if (response->status == 0 || response->timed_out || response->transport_error) {
                judge_transport(response, reply);
                return;
        }
        json_t *body = NULL;
        const bool good = response->status >= 200 && response->status <= 299;
        if (good && judge_plainly(response, schema, reply))
                return;
        const bool parsed = json_parse(response->body, "provider", &body, &reply->why) == 0;
        if (good && !parsed)
                useless(reply, response->secret);
        else if (good && (json_object_get(body, "choices") || !json_object_get(body, "error")))
                judge_answer(body, response, schema, reply);
        else
                judge_complaint(response, body, reply);
        json_decref(body);
}

/* The way of nearly every answer. Returns false when it must be looked at more closely. */
static bool judge_plainly(const struct ai_response *response, const json_t *schema, struct ai_reply *reply)
{
        struct envelope envelope;
        struct buffer scratch = { 0 };
        const bool plain = envelope_read(response->body, &envelope, &scratch) == 0;
        if (plain) {
                take_usage(envelope.model, envelope.tokens_in, envelope.tokens_out, response->secret, reply);
                judge_content(envelope.content, response, schema, reply);
        }
        buffer_free(&scratch);
        return plain;
}

static void refuse(struct ai_reply *reply, enum ai_verdict verdict, const char *code, const char *text)
{
        reply->verdict = verdict;
        problem_set(&reply->why, "provider", code, "%s", text);
}

/* reply->why was filled in by somebody who quotes without care. */
static void useless(struct ai_reply *reply, const char *secret)
{
        char words[QUOTE_SIZE];
        quote_words(bytes_of_string(reply->why.text), secret, words);
        snprintf(reply->why.text, sizeof(reply->why.text), "%s", words);
        reply->verdict = AI_TRANSIENT;
}

static void model_refused(const char *refusal, const char *secret, struct ai_reply *reply)
{
        char words[QUOTE_SIZE];
        quote_words(bytes_of_string(refusal), secret, words);
        reply->verdict = AI_PERMANENT;
        problem_set(&reply->why, "provider", "refused", "the model refused: %s", words);
}

static void judge_transport(const struct ai_response *response, struct ai_reply *reply)
{
        char words[QUOTE_SIZE] = "";
        const char *error = response->transport_error ? response->transport_error : "no response";
        quote_words(bytes_of_string(error), response->secret, words);
        reply->verdict = AI_TRANSIENT;
        problem_set(&reply->why, "provider", response->timed_out ? "timeout" : "connection", "%s: %s",
                    response->timed_out ? "the provider did not answer in time" : "no whole reply from the provider",
                    words);
}

static void judge_complaint(const struct ai_response *response, const json_t *body, struct ai_reply *reply)
{
        char code[sizeof(reply->why.code)], words[QUOTE_SIZE];
        const struct complaint complaint = read_complaint(response, body);
        reply->verdict = verdict_on(&complaint);
        reply->wait_ms = asked_wait(response, reply->verdict);
        name_problem(&complaint, response->secret, code, sizeof(code));
        quote_words(complaint.message, response->secret, words);
        problem_set(&reply->why, "provider", code, "the provider answered %ld%s%s", complaint.status,
                    *words ? ": " : "", words);
}

static void judge_answer(const json_t *body, const struct ai_response *response, const json_t *schema,
                         struct ai_reply *reply)
{
        const json_t *choice = json_array_get(json_object_get(body, "choices"), 0);
        const json_t *message = json_object_get(choice, "message");
        const json_t *content = json_object_get(message, "content");
        const char *refusal = json_text(message, "refusal", ""), *finish = json_text(choice, "finish_reason", "");
        const json_t *usage = json_object_get(body, "usage");
        take_usage(bytes_of_string(json_text(body, "model", "")), token_count(usage, "prompt_tokens"),
                   token_count(usage, "completion_tokens"), response->secret, reply);
        if (*refusal) {
                model_refused(refusal, response->secret, reply);
        } else if (strcmp(finish, "content_filter") == 0) {
                refuse(reply, AI_PERMANENT, "content_filter", "the provider's filter cut the answer off");
        } else if (strcmp(finish, "length") == 0) {
                refuse(reply, AI_TRANSIENT, "length", "the answer was cut off at the limit of tokens");
        } else if (!json_is_string(content)) {
                refuse(reply, AI_TRANSIENT, "no_content", "the reply has no choices[0].message.content");
        } else {
                judge_content(bytes_of(json_string_value(content), json_string_length(content)), response, schema,
                              reply);
        }
}

static void judge_content(struct bytes content, const struct ai_response *response, const json_t *schema,
                          struct ai_reply *reply)
{
        json_t *answer = NULL;
        int result = json_parse(content, "provider", &answer, &reply->why);
        if (result == 0 && schema)
                result = ai_schema_check(schema, answer, &reply->why);
        if (result != 0) {
                json_decref(answer);
                useless(reply, response->secret);
                return;
        }
        reply->verdict = AI_OK;
        reply->content = answer;
}

static unsigned token_count(const json_t *usage, const char *key)
{
        const json_int_t count = json_number(usage, key, 0);
        return count < 0 ? 0 : count > UINT_MAX ? UINT_MAX : (unsigned)count;
}

static void take_usage(struct bytes model, unsigned tokens_in, unsigned tokens_out, const char *secret,
                       struct ai_reply *reply)
{
        const size_t size = model.size < sizeof(reply->model) ? model.size : sizeof(reply->model) - 1;
        if (size)
                memcpy(reply->model, model.data, size);
        reply->model[size] = '\0';
        quote_clean(reply->model);
        if (secret && *secret && strstr(reply->model, secret))
                reply->model[0] = '\0';
        reply->tokens_in = tokens_in;
        reply->tokens_out = tokens_out;
        reply->cost_nano = ai_cost_nano(reply->model, tokens_in, tokens_out);
}

/* Usually {"error":{"message","type","code"}}; some endpoints send {"error":"text"}, {"message":"text"} or plain text, and some
 * gateways put the status into an integer error.code under HTTP 200. */
static struct complaint read_complaint(const struct ai_response *response, const json_t *body)
{
        const json_t *error = json_object_get(body, "error"), *code = json_object_get(error, "code");
        const json_t *message = json_is_string(error) ? error : json_object_get(error ? error : body, "message");
        struct complaint c = { .status = response->status,
                               .code = json_text(error, "code", ""),
                               .type = json_text(error, "type", ""),
                               .message = response->body };
        if (json_is_string(message))
                c.message = bytes_of(json_string_value(message), json_string_length(message));
        if (c.status >= 200 && c.status <= 299)
                c.status = 500;
        if (response->status <= 299 && json_integer_value(code) >= 400 && json_integer_value(code) <= 599)
                c.status = (long)json_integer_value(code);
        return c;
}

static bool is_called(const struct complaint *c, const char *name)
{
        return !name || strcmp(c->code, name) == 0 || strcmp(c->type, name) == 0;
}

static enum ai_verdict verdict_on(const struct complaint *complaint)
{
        for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
                if (complaint->status >= rules[i].least && complaint->status <= rules[i].most &&
                    is_called(complaint, rules[i].code))
                        return rules[i].verdict;
        return AI_PERMANENT;
}

static int64_t longer(int64_t a, int64_t b)
{
        return a > b ? a : b;
}

static int64_t reset_wait(const char *remaining, const char *reset)
{
        return remaining && strcmp(remaining, "0") == 0 ? ai_duration_ms(reset) : -1;
}

static int64_t whole_milliseconds(const char *value)
{
        if (!value || !isdigit((unsigned char)*value))
                return -1;
        const double ms = strtod(value, NULL);
        return ms < LONGEST_WAIT_MS ? (int64_t)ms : LONGEST_WAIT_MS;
}

/* The wait that the response names, in milliseconds; 0 = none. Only a limit that is used up says when to come back. */
static uint64_t asked_wait(const struct ai_response *response, enum ai_verdict verdict)
{
        int64_t wait = whole_milliseconds(response->retry_after_ms);
        if (wait < 0)
                wait = ai_retry_after_ms(response->retry_after, response->now_ms);
        if (wait < 0 && verdict == AI_WAIT)
                wait = longer(reset_wait(response->remaining_requests, response->reset_requests),
                              reset_wait(response->remaining_tokens, response->reset_tokens));
        if (verdict == AI_PERMANENT || wait < 0)
                return 0;
        return wait < LONGEST_WAIT_MS ? (uint64_t)wait : LONGEST_WAIT_MS;
}

/* The provider's own code where it has the form of one, else its type, else the status. */
static void name_problem(const struct complaint *complaint, const char *secret, char *code, size_t room)
{
        static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
        const char *const names[] = { complaint->code, complaint->type };
        for (size_t i = 0; i < 2; i++) {
                const size_t size = strlen(names[i]);
                const bool echo = secret && *secret && strstr(names[i], secret);
                if (size > 0 && size < room && strspn(names[i], letters) == size && !echo) {
                        snprintf(code, room, "%s", names[i]);
                        return;
                }
        }
        snprintf(code, room, "http_%ld", complaint->status);
}
