/* SPDX-License-Identifier: Apache-2.0 */
/* Judged by words first and by status then, because one status stands for several things: 429 is "slow down", "your credit is used up" and
 * "this request is too large". Sources: the error references of OpenAI, Azure, Anthropic, Gemini, Bedrock, Mistral, Groq, DeepSeek, OpenRouter,
 * vLLM, Ollama, LiteLLM.
 *
 * What an unknown word is: nothing; then the status decides. What an unknown status is: something that passes. It comes from a gateway on the way rather than from
 * the model's vendor, and a few attempts in vain cost less than a task that is dead for nothing. */
#include "ai/judge/complaint.h"

#include "core/json.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_MESSAGE = 400 }; /* of a message that is looked at */

struct rule {
        const char *word;  /* in complaint->words; NULL = any */
        short least, most; /* status */
        enum complaint_kind kind;
};

/* The first that fits decides. What a message can be guilty of comes before what an endpoint can: a picture that can't be fetched is told of in the words
 * of its own server ("403 forbidden"). Money comes before limits: OpenAI's type is insufficient_quota whatever its code says. */
static const struct rule word_rules[] = {
        /* too large, for ever */
        { "contextlength", 400, 599, COMPLAINT_MESSAGE },
        { "contextwindow", 400, 599, COMPLAINT_MESSAGE },
        { "contextsize", 400, 599, COMPLAINT_MESSAGE },
        { "maximumcontext", 400, 599, COMPLAINT_MESSAGE },
        { "toolarge", 400, 499, COMPLAINT_MESSAGE },
        { "stringabovemaxlength", 400, 599, COMPLAINT_MESSAGE },
        { "istoolong", 400, 599, COMPLAINT_MESSAGE },
        { "inputtoolong", 400, 599, COMPLAINT_MESSAGE },
        { "prompttoolong", 400, 599, COMPLAINT_MESSAGE },
        { "maximumnumberoftokens", 400, 599, COMPLAINT_MESSAGE },
        { "reducethelength", 400, 599, COMPLAINT_MESSAGE },
        { "totalnumberoftokens", 400, 499, COMPLAINT_MESSAGE },
        /* a picture's server */
        { "download", 400, 400, COMPLAINT_PASSES },
        { "download", 404, 428, COMPLAINT_PASSES },
        { "fetch", 400, 400, COMPLAINT_PASSES },
        { "fetch", 404, 428, COMPLAINT_PASSES },
        { "retriev", 400, 400, COMPLAINT_PASSES },
        { "urltimeout", 400, 428, COMPLAINT_PASSES },
        { "timedout", 400, 428, COMPLAINT_PASSES },
        { "timeout", 400, 428, COMPLAINT_PASSES },
        /* what the model wrote is no good: as an answer that breaks its schema */
        { "jsonvalidatefailed", 400, 428, COMPLAINT_PASSES },
        { "failedtogeneratejson", 400, 428, COMPLAINT_PASSES },
        { "toolusefailed", 400, 428, COMPLAINT_PASSES },
        { "modelhascrashed", 400, 428, COMPLAINT_PASSES },
        /* refused content */
        { "contentfilter", 400, 599, COMPLAINT_MESSAGE },
        { "contentpolicy", 400, 599, COMPLAINT_MESSAGE },
        { "contentmanagement", 400, 599, COMPLAINT_MESSAGE },
        { "responsibleai", 400, 599, COMPLAINT_MESSAGE },
        { "usagepolic", 400, 499, COMPLAINT_MESSAGE },
        { "moderation", 400, 499, COMPLAINT_MESSAGE },
        { "flagged", 400, 499, COMPLAINT_MESSAGE },
        { "guardrail", 400, 499, COMPLAINT_MESSAGE },
        { "censor", 400, 499, COMPLAINT_MESSAGE },
        { "sensitivecontent", 400, 499, COMPLAINT_MESSAGE },
        { "safety", 400, 499, COMPLAINT_MESSAGE },
        { "datainspection", 400, 599, COMPLAINT_MESSAGE },
        { "inappropriate", 400, 499, COMPLAINT_MESSAGE },
        { "prohibitedcontent", 400, 599, COMPLAINT_MESSAGE },
        /* what every request carries */
        { "unsupportedparametermaxcompletiontokens", 400, 499, COMPLAINT_NO_MODEL },
        { "unsupportedparameterresponseformat", 400, 499, COMPLAINT_NO_MODEL },
        { "unknownparametermaxcompletiontokens", 400, 499, COMPLAINT_NO_MODEL },
        { "unknownparameterresponseformat", 400, 499, COMPLAINT_NO_MODEL },
        { "unrecognizedrequestargument", 400, 499, COMPLAINT_NO_MODEL },
        { "invalidparameterresponseformatoftype", 400, 499, COMPLAINT_NO_MODEL },
        { "responseformattypeisunavailable", 400, 499, COMPLAINT_NO_MODEL },
        { "notsupportresponseformat", 400, 499, COMPLAINT_NO_MODEL },
        { "responseformatisnotsupported", 400, 499, COMPLAINT_NO_MODEL },
        { "responseformatjsonschemaisnotsupported", 400, 499, COMPLAINT_NO_MODEL },
        { "maxcompletiontokensisnotsupported", 400, 499, COMPLAINT_NO_MODEL },
        { "extrainputsarenotpermitted", 400, 499, COMPLAINT_NO_MODEL },
        { "doesnotworkwiththespecifiedmodel", 400, 499, COMPLAINT_NO_MODEL },
        { "onlysupportedinv1", 400, 499, COMPLAINT_NO_MODEL },
        { "notachatmodel", 400, 499, COMPLAINT_NO_MODEL },
        { "doesnotsupportchat", 400, 499, COMPLAINT_NO_MODEL },
        { "apiversionnotsupported", 400, 499, COMPLAINT_ENDPOINT },
        /* money */
        { "insufficientquota", 400, 599, COMPLAINT_ENDPOINT },
        { "insufficientbalance", 400, 599, COMPLAINT_ENDPOINT },
        { "insufficientcredit", 400, 599, COMPLAINT_ENDPOINT },
        { "insufficientfund", 400, 599, COMPLAINT_ENDPOINT },
        { "creditbalance", 400, 599, COMPLAINT_ENDPOINT },
        { "outofcredit", 400, 599, COMPLAINT_ENDPOINT },
        { "creditlimit", 400, 599, COMPLAINT_ENDPOINT },
        { "balanceisinsufficient", 400, 599, COMPLAINT_ENDPOINT },
        { "spendlimit", 400, 599, COMPLAINT_ENDPOINT },
        { "spendinglimit", 400, 599, COMPLAINT_ENDPOINT },
        { "hardlimit", 400, 599, COMPLAINT_ENDPOINT },
        { "usagelimitexceeded", 400, 599, COMPLAINT_ENDPOINT },
        { "apiusagelimits", 400, 599, COMPLAINT_ENDPOINT },
        { "budgetexceeded", 400, 599, COMPLAINT_ENDPOINT },
        { "budgethasbeenexceeded", 400, 599, COMPLAINT_ENDPOINT },
        { "exceededcurrentquota", 400, 599, COMPLAINT_ENDPOINT },
        { "outofcallvolume", 400, 599, COMPLAINT_ENDPOINT },
        { "billingnotactive", 400, 599, COMPLAINT_ENDPOINT },
        { "enablebilling", 400, 499, COMPLAINT_ENDPOINT },
        { "paymentrequired", 400, 599, COMPLAINT_ENDPOINT },
        { "arrear", 400, 599, COMPLAINT_ENDPOINT },
        { "overdue", 400, 599, COMPLAINT_ENDPOINT },
        /* limits */
        { "ratelimit", 400, 599, COMPLAINT_LIMIT },
        { "slowdown", 400, 599, COMPLAINT_LIMIT },
        { "toomanyrequests", 400, 599, COMPLAINT_LIMIT },
        { "throttl", 400, 599, COMPLAINT_LIMIT },
        { "toomanytokens", 400, 400, COMPLAINT_MESSAGE }, /* in one request; in a minute it is another status */
        { "toomanytokens", 401, 599, COMPLAINT_LIMIT },
        { "resourceexhausted", 400, 599, COMPLAINT_LIMIT },
        { "requestlimit", 400, 599, COMPLAINT_LIMIT },
        /* the model */
        { "modelnotfound", 400, 599, COMPLAINT_NO_MODEL },
        { "modelnotexist", 400, 599, COMPLAINT_NO_MODEL },
        { "modeldoesnotexist", 400, 599, COMPLAINT_NO_MODEL },
        { "decommissioned", 400, 599, COMPLAINT_NO_MODEL },
        { "modelisdeprecated", 400, 499, COMPLAINT_NO_MODEL },
        { "modelhasbeendeprecated", 400, 499, COMPLAINT_NO_MODEL },
        { "modelnotsupported", 400, 499, COMPLAINT_NO_MODEL },
        { "modelterms", 400, 499, COMPLAINT_NO_MODEL },
        { "onlyforapiversion", 400, 499, COMPLAINT_NO_MODEL },
        { "invalidmodel", 400, 499, COMPLAINT_NO_MODEL },
        { "unknownmodel", 400, 499, COMPLAINT_NO_MODEL },
        { "nosuchmodel", 400, 499, COMPLAINT_NO_MODEL },
        { "nomodelsloaded", 400, 499, COMPLAINT_NO_MODEL },
        { "notavalidmodel", 400, 499, COMPLAINT_NO_MODEL },
        { "modelidentifierisinvalid", 400, 499, COMPLAINT_NO_MODEL },
        { "modelnotavailable", 400, 499, COMPLAINT_NO_MODEL },
        { "modelnotallowed", 400, 499, COMPLAINT_NO_MODEL },
        { "accesstomodel", 400, 499, COMPLAINT_NO_MODEL },
        { "accesstothemodel", 400, 499, COMPLAINT_NO_MODEL },
        { "accessmodel", 400, 499, COMPLAINT_NO_MODEL },
        { "deploymentnotfound", 400, 499, COMPLAINT_NO_MODEL },
        /* the key, the account */
        { "invalidapikey", 400, 599, COMPLAINT_ENDPOINT },
        { "incorrectapikey", 400, 599, COMPLAINT_ENDPOINT },
        { "apikeynotvalid", 400, 599, COMPLAINT_ENDPOINT },
        { "apikeyinvalid", 400, 599, COMPLAINT_ENDPOINT },
        { "apikeyexpired", 400, 599, COMPLAINT_ENDPOINT },
        { "apikeynotfound", 400, 599, COMPLAINT_ENDPOINT },
        { "missingapikey", 400, 599, COMPLAINT_ENDPOINT },
        { "noapikey", 400, 599, COMPLAINT_ENDPOINT },
        { "authenticationerror", 400, 599, COMPLAINT_ENDPOINT },
        { "authenticationfail", 400, 599, COMPLAINT_ENDPOINT },
        { "invalidauthentication", 400, 599, COMPLAINT_ENDPOINT },
        { "unauthorized", 400, 599, COMPLAINT_ENDPOINT },
        { "unauthenticated", 400, 599, COMPLAINT_ENDPOINT },
        { "accessdenied", 400, 499, COMPLAINT_ENDPOINT },
        { "permissiondenied", 400, 599, COMPLAINT_ENDPOINT },
        { "loginfail", 400, 599, COMPLAINT_ENDPOINT },
        { "permissionerror", 400, 499, COMPLAINT_ENDPOINT },
        { "unrecognizedclient", 400, 499, COMPLAINT_ENDPOINT },
        { "securitytoken", 400, 499, COMPLAINT_ENDPOINT },
        { "expiredtoken", 400, 499, COMPLAINT_ENDPOINT },
        { "accountdeactivated", 400, 499, COMPLAINT_ENDPOINT },
        { "accountsuspended", 400, 499, COMPLAINT_ENDPOINT },
        { "accountdisabled", 400, 499, COMPLAINT_ENDPOINT },
        { "organizationhasbeen", 400, 499, COMPLAINT_ENDPOINT }, /* disabled, restricted */
        { "accesstokeninvalid", 400, 599, COMPLAINT_ENDPOINT },
        { "accesstokenexpired", 400, 599, COMPLAINT_ENDPOINT },
        { "invalidaccesstoken", 400, 599, COMPLAINT_ENDPOINT },
        { "unsupportedcountry", 400, 499, COMPLAINT_ENDPOINT },
        { "locationisnotsupported", 400, 499, COMPLAINT_ENDPOINT },
        /* what passes */
        { "overloaded", 400, 428, COMPLAINT_PASSES },
        { "tryagain", 400, 428, COMPLAINT_PASSES },
        { "temporar", 400, 428, COMPLAINT_PASSES },
};

/* Method, headers and address are the same for every message, so what is wrong with them is the endpoint's fault or its settings'. */
static const struct rule status_rules[] = {
        { NULL, 300, 399, COMPLAINT_ENDPOINT }, /* it has moved */
        { NULL, 400, 400, COMPLAINT_MESSAGE },
        { NULL, 401, 403, COMPLAINT_ENDPOINT }, /* key, money, access */
        { NULL, 404, 404, COMPLAINT_NO_MODEL },
        { NULL, 405, 407, COMPLAINT_ENDPOINT }, /* method, Accept, the proxy's login */
        { NULL, 410, 410, COMPLAINT_NO_MODEL },
        { NULL, 411, 411, COMPLAINT_ENDPOINT },
        { NULL, 412, 414, COMPLAINT_MESSAGE }, /* 413: too large */
        { NULL, 415, 415, COMPLAINT_ENDPOINT },
        { NULL, 416, 416, COMPLAINT_MESSAGE },
        { NULL, 417, 417, COMPLAINT_ENDPOINT },
        { NULL, 422, 422, COMPLAINT_MESSAGE },
        { NULL, 426, 426, COMPLAINT_ENDPOINT },
        { NULL, 428, 428, COMPLAINT_ENDPOINT },
        { NULL, 429, 429, COMPLAINT_LIMIT },
        { NULL, 431, 431, COMPLAINT_ENDPOINT },
        { NULL, 451, 451, COMPLAINT_ENDPOINT },
        { NULL, 511, 511, COMPLAINT_ENDPOINT },
};

/* ---- reading ---- */

/* {"error": {…}} mostly; a list of such, {"errors": […]}, a choice that is none, or the body itself. */
static const json_t *find_error(const json_t *body)
{
        if (json_is_array(body))
                body = json_array_get(body, 0);
        const json_t *error = json_object_get(body, "error");
        const json_t *choice = json_array_get(json_object_get(body, "choices"), 0);
        const json_t *base = json_object_get(body, "base_resp");
        if (json_is_object(error) || json_is_string(error))
                return error;
        if (json_is_object(json_object_get(choice, "error")))
                return json_object_get(choice, "error");
        if (json_array_size(json_object_get(body, "errors")) > 0)
                return json_array_get(json_object_get(body, "errors"), 0);
        return json_number(base, "status_code", 0) != 0 ? base : body;
}

static const json_t *first_of(const json_t *object, const char *const *keys)
{
        for (; *keys; keys++) {
                const json_t *value = json_object_get(object, *keys);
                if (value && !json_is_null(value))
                        return value;
        }
        return NULL;
}

static const char *complaint_text_of(const json_t *object, const char *const *keys)
{
        const json_t *value = first_of(object, keys);
        return json_is_string(value) ? json_string_value(value) : "";
}

static const char *const code_keys[] = { "code", "error_code", "__type", "Code", "status", NULL };
static const char *const type_keys[] = { "type", "error_type", "status", "reason", NULL };
static const char *const message_keys[] = { "message",      "Message",    "msg",   "detail",
                                            "error_msg",    "status_msg", "title", "error_message",
                                            "errorMessage", "error",      NULL };
static const char *const number_keys[] = { "code",        "status",     "status_code", "statusCode",
                                           "http_status", "error_code", NULL };

/* A text, or what a list of complaints about fields begins with: never the input that it repeats. */
static const json_t *find_message(const json_t *error)
{
        const json_t *found = json_is_string(error) ? error : first_of(error, message_keys);
        for (int depth = 0; depth < 3 && (json_is_object(found) || json_is_array(found)); depth++) {
                const json_t *one = json_is_array(found) ? json_array_get(found, 0) : found;
                found = json_is_string(one) ? one : first_of(one, message_keys);
        }
        return json_is_string(found) ? found : NULL;
}

/* What a gateway quotes of the vendor behind it, where its own words are "Provider returned error" (OpenRouter); NULL = nothing. */
static const json_t *find_quoted(const json_t *error)
{
        const json_t *raw = json_object_get(json_object_get(error, "metadata"), "raw");
        return json_string_length(raw) > 0 ? raw : NULL;
}

static bool is_error_status(json_int_t status)
{
        return status >= 400 && status <= 599;
}

/* The status that an error under 2xx names, as a number or as digits. */
static long named_status(const json_t *error)
{
        for (const char *const *key = number_keys; *key; key++) {
                const json_t *value = json_object_get(error, *key);
                const char *text = json_string_value(value);
                if (json_is_integer(value) && is_error_status(json_integer_value(value)))
                        return (long)json_integer_value(value);
                if (text && strlen(text) == 3 && is_error_status(strtol(text, NULL, 10)))
                        return strtol(text, NULL, 10);
        }
        return 500;
}

static void add_words(char *words, size_t *used, struct bytes text)
{
        const size_t most = text.size < MOST_MESSAGE ? text.size : MOST_MESSAGE;
        for (size_t i = 0; i < most && *used < COMPLAINT_WORDS - 2; i++)
                if (isalnum(text.data[i]))
                        words[(*used)++] = (char)tolower(text.data[i]);
        words[(*used)++] = ' ';
        words[*used] = '\0';
}

void complaint_read(const struct ai_response *response, const json_t *body, struct complaint *out)
{
        size_t used = 0;
        const json_t *error = find_error(body), *quoted = find_quoted(error);
        const json_t *message = quoted ? quoted : find_message(error);
        *out = (struct complaint){ .status = response->status,
                                   .code = complaint_text_of(error, code_keys),
                                   .type = complaint_text_of(error, type_keys),
                                   .message = response->body };
        if (message)
                out->message = bytes_of(json_string_value(message), json_string_length(message));
        if (out->status >= 200 && out->status <= 299)
                out->status = named_status(error);
        add_words(out->words, &used, bytes_of_string(out->code));
        if (used < COMPLAINT_WORDS / 4)
                add_words(out->words, &used, bytes_of_string(out->type));
        if (used < COMPLAINT_WORDS / 3)
                add_words(out->words, &used, out->message);
}

static bool has_answer(const json_t *body)
{
        const json_t *message = json_object_get(json_array_get(json_object_get(body, "choices"), 0), "message");
        const json_t *content = json_object_get(message, "content");
        return json_string_length(content) > 0 || json_array_size(content) > 0 || json_object_size(content) > 0 ||
               json_array_size(json_object_get(message, "tool_calls")) > 0;
}

bool complaint_is(const json_t *body)
{
        if (json_is_array(body))
                body = json_array_get(body, 0);
        if (has_answer(body))
                return false;
        const char *object = json_text(body, "object", ""), *type = json_text(body, "type", "");
        const json_t *error = find_error(body);
        return error != body || strcmp(object, "error") == 0 || strcmp(type, "error") == 0 ||
               (!json_object_get(body, "choices") && !json_object_get(body, "message") && find_message(error)) ||
               (!json_object_get(body, "choices") && json_is_string(json_object_get(body, "message")));
}

/* ---- judging ---- */

static bool complaint_fits(const struct rule *rule, const struct complaint *c)
{
        return c->status >= rule->least && c->status <= rule->most && (!rule->word || strstr(c->words, rule->word));
}

/* The number behind a word, as in "Limit 30,000, Used 1, Requested 50,000"; -1 = there is none. */
static long number_behind(const char *text, const char *word)
{
        const char *at = text;
        long value = 0;
        do {
                at = strcasestr(at, word);
                if (!at)
                        return -1;
                at += strlen(word);
                at += strspn(at, " :=");
        } while (!isdigit((unsigned char)*at));
        for (; (isdigit((unsigned char)*at) || (*at == ',' && isdigit((unsigned char)at[1]))) && value < 1000000000L;
             at++)
                if (*at != ',')
                        value = value * 10 + (*at - '0');
        return value;
}

/* It asks for more at once than a minute allows: no wait helps. */
static bool asks_too_much(const struct complaint *c)
{
        char text[MOST_MESSAGE + 1];
        const size_t size = c->message.size < MOST_MESSAGE ? c->message.size : MOST_MESSAGE;
        if (size)
                memcpy(text, c->message.data, size);
        text[size] = '\0';
        const long limit = number_behind(text, "limit"), requested = number_behind(text, "requested");
        return limit >= 0 && requested > limit;
}

enum complaint_kind complaint_judge(const struct complaint *c)
{
        if (c->status >= 400 && c->status <= 599 && asks_too_much(c))
                return COMPLAINT_MESSAGE;
        for (size_t i = 0; i < sizeof(word_rules) / sizeof(word_rules[0]); i++)
                if (complaint_fits(&word_rules[i], c))
                        return word_rules[i].kind;
        for (size_t i = 0; i < sizeof(status_rules) / sizeof(status_rules[0]); i++)
                if (complaint_fits(&status_rules[i], c))
                        return status_rules[i].kind;
        return COMPLAINT_PASSES;
}
