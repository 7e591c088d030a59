/* SPDX-License-Identifier: Apache-2.0 */
/* What a response means: an answer, or why there is none and whether asking again can help. An answer was paid for, so whatever can be read is taken. */
#include "ai/ai.h"

#include "ai/judge/complaint.h"
#include "ai/judge/redact.h"
#include "ai/wire/content.h"
#include "ai/wire/envelope.h"
#include "ai/wire/loose.h"
#include "core/json.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A longer wait is cut to this; if the provider still wants us to stay away then, it will say so again. */
enum { LONGEST_WAIT_MS = 3600 * 1000 };

/* How an answer ended, in the words of one vendor or another, in lower case, letters only. What an unknown word is: no reason to throw away an answer that
 * fits its schema, and none to trust one that does not. */
enum finish { FINISH_UNKNOWN, FINISH_WHOLE, FINISH_CUT, FINISH_REFUSED };

static const struct {
        const char *word;
        enum finish finish;
} finishes[] = {
        { "stop", FINISH_WHOLE },
        { "eos", FINISH_WHOLE },
        { "eostoken", FINISH_WHOLE },
        { "stopsequence", FINISH_WHOLE },
        { "endturn", FINISH_WHOLE },
        { "complete", FINISH_WHOLE },
        { "completed", FINISH_WHOLE },
        { "finishreasonstop", FINISH_WHOLE },
        { "toolcalls", FINISH_WHOLE },
        { "functioncall", FINISH_WHOLE },
        { "", FINISH_WHOLE },
        { "length", FINISH_CUT },
        { "maxtokens", FINISH_CUT },
        { "maxoutputtokens", FINISH_CUT },
        { "modellength", FINISH_CUT },
        { "maxlength", FINISH_CUT },
        { "tokenlimit", FINISH_CUT },
        { "errorlimit", FINISH_CUT },
        { "finishreasonmaxtokens", FINISH_CUT },
        { "modelcontextwindowexceeded", FINISH_CUT },
        { "contextlength", FINISH_CUT },
        { "refusal", FINISH_REFUSED },
        { "language", FINISH_REFUSED },
        { "spii", FINISH_REFUSED },
        { "modelarmor", FINISH_REFUSED },
};

/* Parts of words that all stand for a filter. */
static const char *const filters[] = {
        "filter", "safety",  "recitation", "block", "prohibited", "guardrail", "moderat",
        "policy", "flagged", "violation",  "refus", "toxic",      "sensitive", "censor"
};

static bool ai_judge_read_body(struct bytes text, json_t **out, struct problem *why);
static bool judge_plainly(const struct ai_response *response, const json_t *schema, struct ai_reply *reply);
static void judge_useless(struct ai_reply *reply, const char *secret);
static void judge_transport(const struct ai_response *response, struct ai_reply *reply);
static void judge_complaint(const struct ai_response *response, const json_t *body, struct ai_reply *reply);
/* Some servers that part thoughts from answers take an answer without thoughts for one (vLLM): all of it is JSON then, and fits. */
static bool judge_among_thoughts(const json_t *message, const json_t *schema, struct ai_reply *reply)
{
        const char *thoughts = json_text(message, "reasoning_content", json_text(message, "reasoning", ""));
        json_t *answer = NULL;
        if (!schema || json_parse(loose_trim(bytes_of_string(thoughts)), "provider", &answer, NULL) != 0)
                return false;
        if (ai_schema_check(schema, answer, NULL) != 0) {
                json_decref(answer);
                return false;
        }
        reply->verdict = AI_OK;
        reply->content = answer;
        return true;
}

static void judge_answer(const json_t *body, const struct ai_response *response, const json_t *schema,
                         struct ai_reply *reply);
static void judge_content(struct bytes content, const struct ai_response *response, const json_t *schema,
                          struct ai_reply *reply);
static void take_content(json_t *takes, const struct ai_response *response, const json_t *schema,
                         struct ai_reply *reply);
static void take_usage(struct bytes model, unsigned tokens_in, unsigned tokens_out, const char *secret,
                       struct ai_reply *reply);
static unsigned token_count(const json_t *usage, const char *key, const char *other);
static uint64_t asked_wait(const struct ai_response *response, enum ai_verdict verdict);
static void name_problem(const struct complaint *complaint, const char *secret, char *code, size_t capacity);

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
        const bool parsed = ai_judge_read_body(response->body, &body, &reply->why);
        if (good && !parsed)
                judge_useless(reply, response->secret);
        else if (good && !complaint_is(body))
                judge_answer(body, response, schema, reply);
        else
                judge_complaint(response, body, reply);
        json_decref(body);
}

static bool judge_body_begins(struct bytes text, const char *with)
{
        return text.size > strlen(with) && memcmp(text.data, with, strlen(with)) == 0;
}

static const char *judge_body_packed(struct bytes text)
{
        return judge_body_begins(text, "\x1f\x8b")           ? "gzip"
               : judge_body_begins(text, "\x28\xb5\x2f\xfd") ? "zstd"
                                                             : NULL;
}

/* As JSON, or what can be made of it. False with `why` where nothing can. */
static bool ai_judge_read_body(struct bytes text, json_t **out, struct problem *why)
{
        struct buffer repaired = { 0 };
        text = loose_trim(text);
        if (text.size == 0)
                return problem_set(why, "provider", "empty", "the reply is empty") == 0;
        const char *packed = judge_body_packed(text);
        if (packed)
                return problem_set(why, "provider", "compressed",
                                   "the reply is compressed (%s), but does not say so in Content-Encoding",
                                   packed) == 0;
        if (judge_body_begins(text, "data:") || judge_body_begins(text, "event:"))
                return problem_set(why, "provider", "streamed",
                                   "the reply is a stream of events, which was not asked for") == 0;
        if (json_parse(text, "provider", out, why) == 0)
                return true;
        loose_repair(text, &repaired);
        const bool done = !repaired.failed && json_parse(buffer_view(&repaired), "provider", out, NULL) == 0;
        buffer_free(&repaired);
        if (done)
                memset(why, 0, sizeof(*why));
        return done;
}

/* The way of nearly every answer. Returns false when it must be looked at more closely. */
static bool judge_plainly(const struct ai_response *response, const json_t *schema, struct ai_reply *reply)
{
        struct envelope envelope;
        struct buffer scratch = { 0 };
        const bool plain = envelope_read(response->body, &envelope, &scratch) == 0;
        reply->whole = plain;
        if (plain) {
                take_usage(envelope.model, envelope.tokens_in, envelope.tokens_out, response->secret, reply);
                judge_content(envelope.content, response, schema, reply);
        }
        buffer_free(&scratch);
        return plain;
}

/* `quoted` ends the text, in brackets that it has begun; or NULL. */
static void ai_judge_refuse(struct ai_reply *reply, enum ai_verdict verdict, const char *code, const char *text,
                            const char *quoted)
{
        reply->verdict = verdict;
        problem_set(&reply->why, "provider", code, "%s%s%s", text, quoted ? quoted : "", quoted ? ")" : "");
}

/* reply->why was filled in by somebody who quotes without care. */
static void judge_useless(struct ai_reply *reply, const char *secret)
{
        char words[REDACTED_SIZE];
        redact_words(bytes_of_string(reply->why.text), secret, words);
        snprintf(reply->why.text, sizeof(reply->why.text), "%s", words);
        reply->verdict = AI_TRANSIENT;
}

static void model_refused(const char *refusal, const char *secret, struct ai_reply *reply)
{
        char words[REDACTED_SIZE];
        redact_words(bytes_of_string(refusal), secret, words);
        reply->verdict = AI_PERMANENT;
        problem_set(&reply->why, "provider", "refused", "the model refused: %s", words);
}

static void judge_transport(const struct ai_response *response, struct ai_reply *reply)
{
        char words[REDACTED_SIZE] = "";
        const char *error = response->transport_error ? response->transport_error : "no response";
        redact_words(bytes_of_string(error), response->secret, words);
        reply->verdict = AI_TRANSIENT;
        if (response->too_big && response->status >= 200 && response->status <= 299) {
                reply->whole = true; /* as far as anybody wants to know it; it is paid for */
                problem_set(&reply->why, "provider", "reply_too_large", "%s", words);
                return;
        }
        problem_set(&reply->why, "provider", response->timed_out ? "timeout" : "connection", "%s: %s",
                    response->timed_out ? "the provider did not answer in time" : "no whole reply from the provider",
                    words);
}

static enum ai_verdict verdict_on(enum complaint_kind kind)
{
        switch (kind) {
        case COMPLAINT_MESSAGE: return AI_PERMANENT;
        case COMPLAINT_PASSES: return AI_TRANSIENT;
        case COMPLAINT_LIMIT:
        case COMPLAINT_NO_MODEL:
        case COMPLAINT_ENDPOINT: return AI_WAIT;
        }
        return AI_TRANSIENT;
}

static void judge_complaint(const struct ai_response *response, const json_t *body, struct ai_reply *reply)
{
        char code[sizeof(reply->why.code)], words[REDACTED_SIZE];
        struct complaint complaint;
        complaint_read(response, body, &complaint);
        const enum complaint_kind kind = complaint_judge(&complaint);
        reply->verdict = verdict_on(kind);
        reply->fault = kind == COMPLAINT_NO_MODEL   ? AI_FAULT_MODEL
                       : kind == COMPLAINT_ENDPOINT ? AI_FAULT_ENDPOINT
                                                    : AI_FAULT_NONE;
        if (reply->fault == AI_FAULT_NONE)
                reply->wait_ms = asked_wait(response, reply->verdict);
        name_problem(&complaint, response->secret, code, sizeof(code));
        redact_words(complaint.message, response->secret, words);
        problem_set(&reply->why, "provider", code, "the provider answered %ld%s%s", complaint.status,
                    *words ? ": " : "", words);
}

/* ---- answers ---- */

static enum finish read_finish(const char *reason)
{
        char word[32] = "";
        size_t size = 0;
        for (; *reason && size < sizeof(word) - 1; reason++)
                if (isalpha((unsigned char)*reason))
                        word[size++] = (char)tolower((unsigned char)*reason);
        for (size_t i = 0; i < sizeof(finishes) / sizeof(finishes[0]); i++)
                if (strcmp(word, finishes[i].word) == 0)
                        return finishes[i].finish;
        for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
                if (strstr(word, filters[i]))
                        return FINISH_REFUSED;
        return FINISH_UNKNOWN;
}

static const char *finish_of(const json_t *choice, const json_t *body)
{
        static const char *const keys[] = { "finish_reason", "finishReason", "stop_reason", "done_reason" };
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
                if (*json_text(choice, keys[i], ""))
                        return json_text(choice, keys[i], "");
        const json_t *feedback = json_object_get(body, "promptFeedback");
        return json_text(feedback ? feedback : json_object_get(body, "prompt_feedback"), "blockReason", "");
}

/* An answer that is no good, or none: the word for its end says why, where it says anything. */
static void name_ending(enum finish finish, const char *reason, const char *secret, struct ai_reply *reply)
{
        char words[REDACTED_SIZE];
        redact_words(bytes_of_string(reason), secret, words);
        if (finish == FINISH_REFUSED)
                ai_judge_refuse(reply, AI_PERMANENT, "content_filter",
                                "the provider's filter cut the answer off (finish_reason ", words);
        else if (finish == FINISH_CUT)
                ai_judge_refuse(reply, AI_TRANSIENT, "length",
                                "the answer was cut off at the limit of tokens (finish_reason ", words);
        else if (finish == FINISH_UNKNOWN)
                ai_judge_refuse(reply, AI_TRANSIENT, "unfinished", "the answer is not whole (finish_reason ", words);
}

static void judge_answer(const json_t *body, const struct ai_response *response, const json_t *schema,
                         struct ai_reply *reply)
{
        if (json_is_array(body))
                body = json_array_get(body, 0);
        const json_t *choices = json_object_get(body, "choices");
        const json_t *choice = choices ? json_array_get(choices, 0) : body; /* some send the choice alone */
        const json_t *message = json_object_get(choice, "message");
        const json_t *usage = json_object_get(body, "usage");
        const char *reason = finish_of(choice, body);
        const enum finish finish = read_finish(reason);
        struct said said;
        content_read(json_is_object(message) ? message : choice, &said);
        take_usage(bytes_of_string(json_text(body, "model", "")), token_count(usage, "prompt_tokens", "input_tokens"),
                   token_count(usage, "completion_tokens", "output_tokens"), response->secret, reply);
        reply->whole = !said.nothing || reply->tokens_out > 0 || (*reason && finish != FINISH_UNKNOWN);
        if (*said.refusal)
                model_refused(said.refusal, response->secret, reply);
        else if (finish == FINISH_REFUSED)
                name_ending(finish, reason, response->secret, reply);
        else if (finish == FINISH_WHOLE && !said.value && said.text.size == 0 &&
                 judge_among_thoughts(message, schema, reply))
                reply->whole = true;
        else if (said.value)
                take_content(json_deep_copy(said.value), response, schema, reply);
        else if (said.nothing)
                ai_judge_refuse(reply, AI_TRANSIENT, "no_content", "the reply has no choices[0].message.content", NULL);
        else
                judge_content(said.text, response, schema, reply);
        if (reply->verdict == AI_TRANSIENT)
                name_ending(finish, reason, response->secret, reply);
        buffer_free(&said.joined);
}

static void judge_content(struct bytes content, const struct ai_response *response, const json_t *schema,
                          struct ai_reply *reply)
{
        json_t *answer = NULL;
        if (content_parse(content, &answer, &reply->why) == 0)
                take_content(answer, response, schema, reply);
        else
                judge_useless(reply, response->secret);
}

/* The one answer in a list, where the schema wants no list. */
static json_t *judge_unlisted(json_t *takes, const json_t *schema)
{
        json_t *one = json_array_size(takes) == 1 ? json_array_get(takes, 0) : NULL;
        if (!json_is_object(one) || !schema || ai_schema_check(schema, one, NULL) != 0)
                return takes;
        json_incref(one);
        json_decref(takes);
        return one;
}

static void take_content(json_t *takes, const struct ai_response *response, const json_t *schema,
                         struct ai_reply *reply)
{
        if (!takes) {
                ai_judge_refuse(reply, AI_TRANSIENT, "out_of_memory", "no memory to read the reply", NULL);
                return;
        }
        takes = judge_unlisted(takes, schema);
        if (schema && ai_schema_check(schema, takes, &reply->why) != 0) {
                json_decref(takes);
                judge_useless(reply, response->secret);
                return;
        }
        reply->verdict = AI_OK;
        reply->content = takes;
}

static unsigned token_count(const json_t *usage, const char *key, const char *other)
{
        const json_int_t count = json_number(usage, key, json_number(usage, other, 0));
        return count < 0 ? 0 : count > UINT_MAX ? UINT_MAX : (unsigned)count;
}

static void take_usage(struct bytes model, unsigned tokens_in, unsigned tokens_out, const char *secret,
                       struct ai_reply *reply)
{
        const size_t size = model.size < sizeof(reply->model) ? model.size : sizeof(reply->model) - 1;
        if (size)
                memcpy(reply->model, model.data, size);
        reply->model[size] = '\0';
        redact_clean(reply->model);
        if (secret && *secret && strstr(reply->model, secret))
                reply->model[0] = '\0';
        reply->tokens_in = tokens_in;
        reply->tokens_out = tokens_out;
        reply->cost_nano = ai_cost_nano(reply->model, tokens_in, tokens_out);
}

static int64_t ai_judge_longer(int64_t a, int64_t b)
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
                wait = ai_judge_longer(reset_wait(response->remaining_requests, response->reset_requests),
                                       reset_wait(response->remaining_tokens, response->reset_tokens));
        if (verdict == AI_PERMANENT || wait < 0)
                return 0;
        return wait < LONGEST_WAIT_MS ? (uint64_t)wait : LONGEST_WAIT_MS;
}

/* The provider's own code where it has the form of one, else its type, else the status. */
static void name_problem(const struct complaint *complaint, const char *secret, char *code, size_t capacity)
{
        static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
        const char *const names[] = { complaint->code, complaint->type };
        for (size_t i = 0; i < 2; i++) {
                const size_t size = strlen(names[i]);
                const bool echo = secret && *secret && strstr(names[i], secret);
                if (size > 0 && size < capacity && strspn(names[i], letters) == size && !echo) {
                        snprintf(code, capacity, "%s", names[i]);
                        return;
                }
        }
        snprintf(code, capacity, "http_%ld", complaint->status);
}
