/* SPDX-License-Identifier: Apache-2.0 */
/* Answers and errors as a dozen vendors and gateways word and wrap them. */
#include "ai/ai.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(reason, content) \
        "{\"choices\":[{\"finish_reason\":" reason ",\"message\":{\"role\":\"assistant\",\"content\":" content "}}]}"
#define SAID(content) TEXT("\"stop\"", content)
#define GLASS         "{\\\"middle\\\":\\\"glass\\\"}"

enum { MESSAGE, PASSES, LIMIT, MODEL, ENDPOINT };

/* Whose fault an error is. */
static const struct {
        const char *who;
        long status;
        const char *body;
        int fault;
} errors[] = {
        /* never passes: too large, refused, wrong */
        { "OpenAI, too large for a minute", 429,
          "{\"error\":{\"message\":\"Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 50000. The input or output "
          "tokens must be reduced in order to run successfully. Visit https://platform.openai.com/account/rate-limits\",\"type\":\"tokens\",\"param\":null,"
          "\"code\":\"rate_limit_exceeded\"}}",
          MESSAGE },
        { "Groq, the same", 413,
          "{\"error\":{\"message\":\"Request too large for model `llama` on tokens per minute (TPM): Limit 6000, Requested 7123, please reduce your message size\","
          "\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\"}}",
          MESSAGE },
        { "other words for it", 429,
          "{\"error\":{\"message\":\"Rate limit reached: Limit 6,000 / Requested 12,000\",\"code\":\"rate_limit_exceeded\"}}",
          MESSAGE },
        { "OpenAI, an ordinary limit", 429,
          "{\"error\":{\"message\":\"Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29000, Requested 5000. Please try again in 8s.\","
          "\"type\":\"tokens\",\"code\":\"rate_limit_exceeded\"}}",
          LIMIT },
        { "OpenAI, context", 400,
          "{\"error\":{\"message\":\"This model's maximum context length is 8192 tokens.\",\"code\":\"context_length_exceeded\"}}",
          MESSAGE },
        { "context under 500", 500,
          "{\"error\":{\"message\":\"litellm.ContextWindowExceededError: too long\",\"code\":\"500\"}}", MESSAGE },
        { "Anthropic, too long", 400,
          "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long: 208310 tokens > 200000 maximum\"}}",
          MESSAGE },
        { "Anthropic, too large", 413,
          "{\"type\":\"error\",\"error\":{\"type\":\"request_too_large\",\"message\":\"Request exceeds the maximum size\"}}",
          MESSAGE },
        { "llama.cpp", 400,
          "{\"error\":{\"code\":400,\"message\":\"the request exceeds the available context size\",\"type\":\"exceed_context_size_error\"}}",
          MESSAGE },
        { "Bedrock", 400, "{\"__type\":\"ValidationException\",\"message\":\"Input is too long for requested model.\"}",
          MESSAGE },
        { "nginx, too large", 413, "<html><h1>413 Request Entity Too Large</h1></html>", MESSAGE },
        { "Azure, filtered", 400,
          "{\"error\":{\"message\":\"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.\",\"code\":\"content_filter\"}}",
          MESSAGE },
        { "OpenRouter, moderation", 403,
          "{\"error\":{\"message\":\"openai/gpt requires moderation on input. Your input was flagged for violence\",\"code\":403}}",
          MESSAGE },
        { "Alibaba, inspected", 400,
          "{\"error\":{\"code\":\"data_inspection_failed\",\"message\":\"Input data may contain inappropriate content.\"}}",
          MESSAGE },
        { "FastAPI", 422,
          "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"field required\",\"input\":\"invalid api key\",\"type\":\"missing\"}]}",
          MESSAGE },
        { "plain", 400, "{\"error\":{\"message\":\"Invalid value for 'top_p'\"}}", MESSAGE },
        { "OpenAI, a task's schema", 400,
          "{\"error\":{\"message\":\"Invalid schema for response_format 'scan': 'required' is required.\",\"param\":\"response_format\",\"code\":null}}",
          MESSAGE },
        { "OpenAI, a task's limit", 400,
          "{\"error\":{\"message\":\"max_completion_tokens is too large: 99999. This model supports at most 16384.\",\"code\":\"invalid_value\"}}",
          MESSAGE },
        { "Gemini, too many tokens", 400,
          "{\"error\":{\"code\":400,\"message\":\"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).\",\"status\":\"INVALID_ARGUMENT\"}}",
          MESSAGE },
        { "vLLM, context", 400,
          "{\"object\":\"error\",\"message\":\"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens\",\"type\":\"BadRequestError\",\"code\":400}",
          MESSAGE },
        { "TGI, tokens", 422,
          "{\"error\":\"Input validation error: `inputs` must have less than 4096 tokens. Given: 5000\",\"error_type\":\"validation\"}",
          MESSAGE },
        { "OpenAI, a picture's format", 400,
          "{\"error\":{\"message\":\"You uploaded an unsupported image. Please make sure your image has of one the following formats: ['png'].\",\"code\":\"invalid_image_format\"}}",
          MESSAGE },
        { "xAI, guidelines", 403,
          "{\"code\":\"The caller does not have permission to execute the specified operation\",\"error\":\"Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO\"}",
          MESSAGE },
        { "Portkey, a guardrail", 446,
          "{\"error\":{\"message\":\"The guardrail checks defined in the config failed.\",\"type\":\"hooks_failed\"}}",
          MESSAGE },
        { "Anthropic, what came out", 400,
          "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Output blocked by content filtering policy\"}}",
          MESSAGE },
        { "OpenRouter, of another's filter", 502,
          "{\"error\":{\"message\":\"Provider returned error\",\"code\":502,\"metadata\":{\"raw\":\"{\\\"error\\\":{\\\"code\\\":\\\"content_filter\\\"}}\",\"provider_name\":\"Azure\"}}}",
          MESSAGE },
        { "Cohere, too many tokens", 400,
          "{\"message\":\"too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000. Try using a shorter prompt.\"}",
          MESSAGE },
        { "Cohere, with what it may say", 400,
          "{\"message\":\"invalid request: too many tokens: total number of tokens (max tokens + prompt) cannot exceed 4081 - received 4582\"}",
          MESSAGE },
        { "another's too many tokens", 400,
          "{\"error\":{\"message\":\"Too many tokens in the input: 9000, at most 8192 are allowed\",\"code\":\"invalid_request\"}}",
          MESSAGE },
        { "StepFun, censored", 451,
          "{\"error\":{\"message\":\"The content you provided or machine outputted is blocked.\",\"type\":\"censorship_blocked\"}}",
          MESSAGE },
        { "Volcengine, censored", 400,
          "{\"error\":{\"code\":\"InputTextSensitiveContentDetected\",\"message\":\"The request failed because the input text may contain sensitive information.\",\"type\":\"BadRequest\"}}",
          MESSAGE },
        { "a filter that blocks under 451", 451, "{\"error\":{\"message\":\"Sensitive content detected\"}}", MESSAGE },
        /* what every request carries */
        { "Azure, a model for other things", 400,
          "{\"error\":{\"code\":\"OperationNotSupported\",\"message\":\"The chatCompletion operation does not work with the specified model, gpt-instruct. Please choose different model and try again.\"}}",
          MODEL },
        { "OpenAI, a model for another door", 400,
          "{\"error\":{\"message\":\"This model is only supported in v1/responses and not in v1/chat/completions.\",\"type\":\"invalid_request_error\"}}",
          MODEL },
        { "OpenAI, a model that does not chat", 400,
          "{\"error\":{\"message\":\"This is not a chat model and thus not supported in the v1/chat/completions endpoint.\"}}",
          MODEL },
        { "Ollama, a model that does not chat", 400, "{\"error\":\"\\\"bge-m3\\\" does not support chat\"}", MODEL },
        { "LM Studio, no model", 400,
          "{\"error\":{\"message\":\"No models loaded. Please load a model in the developer page or use the 'lms load' command.\"}}",
          MODEL },
        { "Azure, a version that is gone", 400,
          "{\"error\":{\"code\":\"BadRequest\",\"message\":\"API version not supported\"}}", ENDPOINT },
        { "OpenAI, a parameter", 400,
          "{\"error\":{\"message\":\"Unsupported parameter: 'max_completion_tokens' is not supported with this model.\",\"type\":\"invalid_request_error\",\"param\":\"max_completion_tokens\",\"code\":\"unsupported_parameter\"}}",
          MODEL },
        { "OpenAI, an old model", 400,
          "{\"error\":{\"message\":\"Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.\",\"param\":null,\"code\":null}}",
          MODEL },
        { "Azure, an old version", 400,
          "{\"error\":{\"message\":\"Unrecognized request argument supplied: max_completion_tokens\",\"code\":null}}",
          MODEL },
        { "DeepSeek, a format", 400,
          "{\"error\":{\"message\":\"This response_format type is unavailable now\",\"code\":\"invalid_request_error\"}}",
          MODEL },
        { "Groq, a format", 400,
          "{\"error\":{\"message\":\"This model does not support response format `json_schema`.\",\"type\":\"invalid_request_error\"}}",
          MODEL },
        { "Mistral, a parameter", 422,
          "{\"detail\":[{\"type\":\"extra_forbidden\",\"loc\":[\"body\",\"max_completion_tokens\"],\"msg\":\"Extra inputs are not permitted\"}]}",
          MODEL },
        { "Azure, a version that others have", 400,
          "{\"error\":{\"code\":\"BadRequest\",\"message\":\"Model o9 is enabled only for api versions 2024-12-01-preview and later\"}}",
          MODEL },
        /* passes */
        { "a picture's server is slow", 400,
          "{\"error\":{\"message\":\"Timeout while downloading https://p.example/a.jpg.\",\"type\":\"invalid_request_error\",\"code\":\"invalid_image_url\"}}",
          PASSES },
        { "a picture's server says 403", 400,
          "{\"error\":{\"message\":\"Failed to download image: 403 Forbidden, access denied, unauthorized\"}}",
          PASSES },
        { "Gemini, a picture", 400,
          "[{\"error\":{\"code\":400,\"message\":\"Cannot fetch content from the provided URL.\",\"status\":\"INVALID_ARGUMENT\"}}]",
          PASSES },
        { "Anthropic, a picture", 400,
          "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Unable to download the file. Please verify the URL and try again.\"}}",
          PASSES },
        { "Anthropic, overloaded", 529,
          "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}", PASSES },
        { "Groq, flex capacity", 498, "{\"error\":{\"message\":\"capacity exceeded\"}}", PASSES },
        { "nginx, client closed", 499, "", PASSES },
        { "nginx, no response", 444, "", PASSES },
        { "too early", 425, "", PASSES },
        { "calm", 420, "", PASSES },
        { "Cloudflare", 520, "<html>", PASSES },
        { "Cloudflare", 522, "", PASSES },
        { "Cloudflare", 524, "", PASSES },
        { "Cloudflare", 527, "", PASSES },
        { "a proxy", 598, "", PASSES },
        { "a proxy", 599, "", PASSES },
        { "a proxy", 430, "", PASSES },
        { "locked", 423, "", PASSES },
        { "LM Studio, crashed", 400,
          "{\"error\":\"The model has crashed without additional information. (Exit code: 18446744072635812000)\"}",
          PASSES },
        { "out of this world", 700, "", PASSES },
        { "Hugging Face", 503, "{\"error\":\"Model x is currently loading\",\"estimated_time\":20}", PASSES },
        { "Groq, the model's own JSON", 400,
          "{\"error\":{\"message\":\"Failed to generate JSON. Please adjust your prompt. See 'failed_generation' for more details.\",\"type\":\"invalid_request_error\",\"code\":\"json_validate_failed\"}}",
          PASSES },
        { "Groq, a picture", 400,
          "{\"error\":{\"message\":\"failed to retrieve media: received status code: 403\",\"type\":\"invalid_request_error\"}}",
          PASSES },
        { "Mistral, a picture", 400,
          "{\"object\":\"error\",\"message\":\"File could not be fetched from url 'https://p.example/a.jpg'\",\"type\":\"invalid_file\",\"code\":\"3310\"}",
          PASSES },
        { "vLLM, a picture", 400,
          "{\"object\":\"error\",\"message\":\"HTTPSConnectionPool(host='p.example', port=443): Read timed out.\",\"type\":\"BadRequestError\",\"code\":400}",
          PASSES },
        { "OpenRouter, of another's picture", 400,
          "{\"error\":{\"message\":\"Provider returned error\",\"code\":400,\"metadata\":{\"raw\":\"{\\\"error\\\":{\\\"message\\\":\\\"Timeout while downloading https://p.example/a.jpg.\\\"}}\"}}}",
          PASSES },
        { "Gemini, overloaded", 503,
          "{\"error\":{\"code\":503,\"message\":\"The model is overloaded. Please try again later.\",\"status\":\"UNAVAILABLE\"}}",
          PASSES },
        { "Ollama, busy", 503, "{\"error\":\"server busy, please try again. maximum pending requests exceeded\"}",
          PASSES },
        { "Envoy", 503, "upstream connect error or disconnect/reset before headers", PASSES },
        { "a load balancer", 460, "", PASSES },
        /* limits */
        { "Kimi", 429,
          "{\"error\":{\"type\":\"engine_overloaded_error\",\"message\":\"The engine is currently overloaded\"}}",
          LIMIT },
        { "Gemini", 429,
          "[{\"error\":{\"code\":429,\"message\":\"You exceeded your current quota, please check your plan and billing details.\",\"status\":\"RESOURCE_EXHAUSTED\"}}]",
          LIMIT },
        { "Bedrock, throttled", 400,
          "{\"__type\":\"ThrottlingException\",\"message\":\"Too many tokens, please wait before trying again.\"}",
          LIMIT },
        { "Google, the old way", 403,
          "{\"error\":{\"code\":403,\"message\":\"Rate Limit Exceeded\",\"status\":\"rateLimitExceeded\"}}", LIMIT },
        { "Azure, tier", 429,
          "{\"error\":{\"code\":\"429\",\"message\":\"Requests to the ChatCompletions_Create Operation have exceeded call rate limit of your current OpenAI S0 pricing tier. Please retry after 9 seconds.\"}}",
          LIMIT },
        { "Anthropic, a minute", 429,
          "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"This request would exceed your organization's rate limit of 40,000 input tokens per minute\"}}",
          LIMIT },
        { "Mistral, tier", 429,
          "{\"object\":\"error\",\"message\":\"Service tier capacity exceeded for this model.\",\"type\":\"service_tier_capacity_exceeded\",\"code\":\"3505\"}",
          LIMIT },
        { "Cohere, trial", 429,
          "{\"message\":\"You are using a Trial key, which is limited to 20 API calls / minute.\"}", LIMIT },
        { "Kong", 429, "{\"message\":\"API rate limit exceeded\"}", LIMIT },
        { "LiteLLM, under 500", 500,
          "{\"error\":{\"message\":\"litellm.RateLimitError: slow\",\"type\":null,\"code\":\"429\"}}", LIMIT },
        { "a problem document", 429,
          "{\"type\":\"about:blank\",\"title\":\"Too Many Requests\",\"status\":429,\"detail\":\"later\"}", LIMIT },
        { "OpenRouter, of another's limit", 400,
          "{\"error\":{\"message\":\"Provider returned error\",\"code\":400,\"metadata\":{\"raw\":\"x is temporarily rate-limited upstream\"}}}",
          LIMIT },
        /* under 200 */
        { "a number", 200,
          "{\"id\":null,\"choices\":[],\"error\":{\"message\":\"Upstream rate limited\",\"code\":429}}", LIMIT },
        { "choices null", 200, "{\"choices\":null,\"error\":{\"message\":\"x\",\"code\":\"429\"}}", LIMIT },
        { "no number but words", 200, "{\"error\":{\"message\":\"Too Many Requests\"}}", LIMIT },
        { "GraphQL's way", 200,
          "{\"data\":null,\"errors\":[{\"message\":\"Too many requests\",\"extensions\":{\"code\":\"RATE_LIMITED\"}}]}",
          LIMIT },
        { "error true", 200, "{\"error\":true,\"message\":\"rate limited\",\"code\":429}", LIMIT },
        { "a number as text", 200, "{\"code\":\"429\",\"msg\":\"slow\"}", LIMIT },
        { "Cloudflare", 200, "{\"success\":false,\"error\":[{\"code\":2003,\"message\":\"Rate limited\"}]}", LIMIT },
        { "Baidu, limit", 200, "{\"error_code\":18,\"error_msg\":\"Open api qps request limit reached\"}", LIMIT },
        { "in the choice, a limit", 200,
          "{\"choices\":[{\"error\":{\"code\":429,\"message\":\"Rate limit exceeded\"},\"finish_reason\":\"error\",\"message\":{\"content\":\"\"}}]}",
          LIMIT },
        { "a filter's word", 200,
          "{\"error\":{\"message\":\"The response was blocked by our safety system\",\"code\":\"content_policy_violation\"}}",
          MESSAGE },
        { "in the choice", 200,
          "{\"choices\":[{\"finish_reason\":\"error\",\"error\":{\"code\":502,\"message\":\"Upstream\"},\"message\":{\"content\":\"\"}}]}",
          PASSES },
        { "an error as an object", 200, "{\"object\":\"error\",\"message\":\"Internal\",\"code\":500}", PASSES },
        { "errors", 200, "{\"errors\":[{\"code\":7003,\"message\":\"No route\"}]}", PASSES },
        { "MiniMax", 200, "{\"base_resp\":{\"status_code\":1008,\"status_msg\":\"insufficient balance\"}}", ENDPOINT },
        { "Baidu, key", 200, "{\"error_code\":110,\"error_msg\":\"Access token invalid or no longer valid\"}",
          ENDPOINT },
        { "a key", 200, "{\"error\":{\"message\":\"Incorrect API key provided\",\"code\":401}}", ENDPOINT },
        /* the endpoint's */
        { "OpenAI, key", 401, "{\"error\":{\"message\":\"Incorrect API key provided\",\"code\":\"invalid_api_key\"}}",
          ENDPOINT },
        { "a gateway, key", 401, "Unauthorized", ENDPOINT },
        { "Gemini, key", 400,
          "[{\"error\":{\"code\":400,\"message\":\"API key not valid. Please pass a valid API key.\",\"status\":\"INVALID_ARGUMENT\"}}]",
          ENDPOINT },
        { "xAI, key", 400,
          "{\"code\":\"Client specified an invalid argument\",\"error\":\"Incorrect API key provided: xx\"}",
          ENDPOINT },
        { "LiteLLM, key", 500,
          "{\"error\":{\"message\":\"litellm.AuthenticationError: no luck\",\"type\":null,\"code\":\"500\"}}",
          ENDPOINT },
        { "Anthropic, money", 400,
          "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"Your credit balance is too low to access the Anthropic API.\"}}",
          ENDPOINT },
        { "OpenAI, money", 429,
          "{\"error\":{\"message\":\"You exceeded your current quota\",\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\"}}",
          ENDPOINT },
        { "DeepSeek, money", 402,
          "{\"error\":{\"message\":\"Insufficient Balance\",\"type\":\"unknown_error\",\"code\":\"invalid_request_error\"}}",
          ENDPOINT },
        { "Anthropic, what its owner allows", 400,
          "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"You have reached your specified API usage limits. You will regain access on 2027-01-01 at 00:00 UTC.\"}}",
          ENDPOINT },
        { "Together, money", 400,
          "{\"error\":{\"message\":\"Credit limit exceeded, please navigate to the billing page to add credit.\"}}",
          ENDPOINT },
        { "SiliconFlow, money", 400,
          "{\"code\":30001,\"message\":\"Sorry, your account balance is insufficient\",\"data\":null}", ENDPOINT },
        { "Gemini, no bill", 400,
          "{\"error\":{\"code\":400,\"message\":\"Gemini API free tier is not available in your country. Please enable billing on your project in Google AI Studio.\",\"status\":\"FAILED_PRECONDITION\"}}",
          ENDPOINT },
        { "MiniMax, key", 200,
          "{\"base_resp\":{\"status_code\":1004,\"status_msg\":\"login fail: Please carry the API secret key in the 'Authorization' field of the request header\"}}",
          ENDPOINT },
        { "Google, under 200", 200,
          "{\"error\":{\"message\":\"Permission denied on resource project x\",\"status\":\"PERMISSION_DENIED\"}}",
          ENDPOINT },
        { "Moonshot, money", 429, "{\"error\":{\"type\":\"exceeded_current_quota_error\",\"message\":\"suspended\"}}",
          ENDPOINT },
        { "Gemini, a country", 400,
          "{\"error\":{\"code\":400,\"message\":\"User location is not supported for the API use.\",\"status\":\"FAILED_PRECONDITION\"}}",
          ENDPOINT },
        { "Gemini, an old key", 400,
          "{\"error\":{\"code\":400,\"message\":\"API key expired. Please renew the API key.\",\"status\":\"INVALID_ARGUMENT\"}}",
          ENDPOINT },
        { "Azure, key", 401,
          "{\"error\":{\"code\":\"401\",\"message\":\"Access denied due to invalid subscription key or wrong API endpoint.\"}}",
          ENDPOINT },
        { "Anthropic, closed", 400,
          "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"This organization has been disabled.\"}}",
          ENDPOINT },
        { "Groq, closed", 400,
          "{\"error\":{\"message\":\"Organization has been restricted. Please reach out to support.\",\"code\":\"organization_restricted\"}}",
          ENDPOINT },
        { "Alibaba, money", 400,
          "{\"error\":{\"code\":\"Arrearage\",\"message\":\"Access denied, please make sure your account is in good standing.\"}}",
          ENDPOINT },
        { "Fireworks, money", 412,
          "{\"error\":{\"message\":\"Account x is suspended, possibly due to reaching the monthly spending limit.\"}}",
          ENDPOINT },
        { "LiteLLM, money", 400, "{\"error\":{\"message\":\"Budget has been exceeded! Current cost: 1.1, Max budget: 1.0\",\"type\":\"budget_exceeded\",\"code\":\"400\"}}",
          ENDPOINT },
        { "OpenRouter, money", 402,
          "{\"error\":{\"message\":\"This request requires more credits, or fewer max_tokens.\",\"code\":402}}",
          ENDPOINT },
        { "Kong, no key", 401, "{\"message\":\"No API key found in request\"}", ENDPOINT },
        { "OpenRouter, of another's key", 400,
          "{\"error\":{\"message\":\"Provider returned error\",\"code\":400,\"metadata\":{\"raw\":\"{\\\"error\\\":{\\\"message\\\":\\\"API key not valid. Please pass a valid API key.\\\"}}\"}}}",
          ENDPOINT },
        { "a country", 403,
          "{\"error\":{\"code\":\"unsupported_country_region_territory\",\"message\":\"not supported\"}}", ENDPOINT },
        { "moved", 308, "", ENDPOINT },
        { "method", 405, "", ENDPOINT },
        { "proxy", 407, "", ENDPOINT },
        /* the model's */
        { "OpenAI, model", 404,
          "{\"error\":{\"message\":\"The model `x` does not exist or you do not have access to it.\",\"code\":\"model_not_found\"}}",
          MODEL },
        { "vLLM, model", 404,
          "{\"object\":\"error\",\"message\":\"The model `x` does not exist.\",\"type\":\"NotFoundError\",\"code\":404}",
          MODEL },
        { "Ollama, model", 404, "{\"error\":\"model \\\"x\\\" not found, try pulling it first\"}", MODEL },
        { "Azure, deployment", 404,
          "{\"error\":{\"code\":\"DeploymentNotFound\",\"message\":\"The API deployment for this resource does not exist.\"}}",
          MODEL },
        { "Groq, model", 400,
          "{\"error\":{\"message\":\"The model `x` has been decommissioned\",\"code\":\"model_decommissioned\"}}",
          MODEL },
        { "Mistral, model", 400,
          "{\"object\":\"error\",\"message\":\"Invalid model: x\",\"type\":\"invalid_model\",\"code\":\"1500\"}",
          MODEL },
        { "DeepSeek, model", 400, "{\"error\":{\"message\":\"Model Not Exist\"}}", MODEL },
        { "OpenRouter, model", 400, "{\"error\":{\"message\":\"x/y is not a valid model ID\",\"code\":400}}", MODEL },
        { "Bedrock, model", 403, "{\"message\":\"You don't have access to the model with the specified model ID.\"}",
          MODEL },
        { "Anthropic, model", 404,
          "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\",\"message\":\"model: x\"}}", MODEL },
        { "Groq, terms", 400,
          "{\"error\":{\"message\":\"The model `x` requires terms acceptance.\",\"code\":\"model_terms_required\"}}",
          MODEL },
        { "Hugging Face, model", 400,
          "{\"error\":{\"message\":\"The requested model 'x' is not supported by any provider you have enabled.\",\"code\":\"model_not_supported\"}}",
          MODEL },
        { "OpenRouter, none fits", 404,
          "{\"error\":{\"message\":\"No endpoints found that support image input\",\"code\":404}}", MODEL },
        { "gone", 410, "", MODEL },
};

static int fault_of(const struct ai_reply *reply)
{
        if (reply->verdict == AI_PERMANENT)
                return MESSAGE;
        if (reply->verdict == AI_TRANSIENT)
                return PASSES;
        return reply->fault == AI_FAULT_MODEL ? MODEL : reply->fault == AI_FAULT_ENDPOINT ? ENDPOINT : LIMIT;
}

static void whose_fault_an_error_is(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
                struct ai_reply reply;
                const struct ai_response response = { .status = errors[i].status,
                                                      .body = bytes_of_string(errors[i].body) };
                ai_judge(&response, NULL, &reply);
                if (reply.verdict == AI_OK || fault_of(&reply) != errors[i].fault)
                        fail_msg("%s (%ld): verdict %d, fault %d: %s %s", errors[i].who, errors[i].status,
                                 reply.verdict, reply.fault, reply.why.code, reply.why.text);
        }
}

/* Good answers that were paid for, as they come. */
static const struct {
        const char *how, *body;
} answers[] = {
        { "NaN beside it", "{\"timings\":{\"a\":NaN,\"b\":-Infinity,\"c\":1e999,\"d\":123456789012345678901234567890},"
                           "\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":\"" GLASS "\"}}]}" },
        { "half a surrogate beside it",
          "{\"x\":\"\\ud800 \\q\",\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":\"" GLASS
          "\"}}]}" },
        { "broken UTF-8 and a line break beside it",
          "{\"x\":\"\xff\n\",\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":\"" GLASS "\"}}]}" },
        { "a byte order mark", "\xef\xbb\xbf" SAID("\"" GLASS "\"") },
        { "a byte order mark in it", SAID("\"\xef\xbb\xbf" GLASS "\"") },
        { "fenced", SAID("\"```json\\n" GLASS "\\n```\"") },
        { "fenced without a name", SAID("\"```\\n" GLASS "```\\n\"") },
        { "fenced, with words", SAID("\"Sure! Here it is:\\n```json\\n" GLASS "\\n```\\nIs that all?\"") },
        { "fenced, with words in braces and quotes behind it",
          SAID("\"```json\\n" GLASS "\\n```\\nwhere {\\\"middle\\\"} is its kind\"") },
        { "a fence that is open", SAID("\"```json\\n" GLASS "\"") },
        { "with words", SAID("\"Here you are: " GLASS " Bye.\"") },
        { "in a tag", SAID("\"<answer>" GLASS "</answer>\"") },
        { "behind thoughts", SAID("\"<think>is it {\\\"middle\\\":1}?</think>\\n\\n" GLASS "\"") },
        { "behind thoughts whose beginning is in the prompt", SAID("\"hm {a}</think>```json\\n" GLASS "```\"") },
        { "with a mark at its end", SAID("\"" GLASS "<|im_end|>\"") },
        { "as parts",
          SAID("[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"hm\"}]},{\"type\":\"text\",\"text\":\"" GLASS
               "\"}]") },
        { "as parts cut anywhere",
          SAID("[{\"type\":\"text\",\"text\":\"{\\\"middle\\\":\"},{\"type\":\"output_text\",\"text\":\"\\\"glass\\\"}\"}]") },
        { "as a list of texts", SAID("[\"" GLASS "\"]") },
        { "as a value", SAID("{\"middle\":\"glass\"}") },
        { "as JSON of JSON", SAID("\"\\\"{\\\\\\\"middle\\\\\\\":\\\\\\\"glass\\\\\\\"}\\\"\"") },
        { "as a tool's arguments",
          "{\"choices\":[{\"finish_reason\":\"tool_calls\",\"message\":{\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"json\",\"arguments\":\"" GLASS
          "\"}}]}}]}" },
        { "fenced, with the line ends of Windows", SAID("\"```JSON\\r\\n" GLASS "\\r\\n```\\r\\n\"") },
        { "fenced by four", SAID("\"````json\\n" GLASS "\\n````\"") },
        { "fenced by waves", SAID("\"~~~\\n" GLASS "\\n~~~\"") },
        { "behind an example in a fence of its own",
          SAID("\"Not ```json\\n{\\\"middle\\\": x}\\n``` but\\n```json\\n" GLASS "\\n```\"") },
        { "behind thoughts in a channel of their own",
          SAID("\"<|channel|>analysis<|message|>is it {\\\"middle\\\":1}?<|end|><|start|>assistant<|channel|>final<|message|>" GLASS
               "\"") },
        { "behind thoughts in marks that nobody knows",
          SAID("\"(hm) is it {\\\"middle\\\": {\\\"a\\\": 1}} or {b}? (/hm) " GLASS "\"") },
        { "as a tool's arguments, as a value",
          "{\"choices\":[{\"finish_reason\":\"tool_calls\",\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"json\","
          "\"arguments\":{\"middle\":\"glass\"}}}]}}]}" },
        { "as a function's arguments",
          "{\"choices\":[{\"finish_reason\":\"function_call\",\"message\":{\"content\":null,\"function_call\":{\"name\":\"json\",\"arguments\":\"" GLASS
          "\"}}}]}" },
        { "as a completion's text", "{\"choices\":[{\"finish_reason\":\"stop\",\"text\":\"" GLASS "\"}]}" },
        { "as Anthropic's own message",
          "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"" GLASS
          "\"}],\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}" },
        { "in a list", "[" SAID("\"" GLASS "\"") "]" },
        { "finish null", TEXT("null", "\"" GLASS "\"") },
        { "finish eos", TEXT("\"eos\"", "\"" GLASS "\"") },
        { "finish end_turn", TEXT("\"end_turn\"", "\"" GLASS "\"") },
        { "finish STOP", TEXT("\"STOP\"", "\"" GLASS "\"") },
        { "finish stop_sequence", TEXT("\"stop_sequence\"", "\"" GLASS "\"") },
        { "finish nobody knows", TEXT("\"whatever\"", "\"" GLASS "\"") },
        { "whole at the limit of tokens", TEXT("\"length\"", "\"" GLASS "\"") },
        { "error null",
          "{\"error\":null,\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":\"" GLASS "\"}}]}" },
        { "with words in braces behind it", SAID("\"" GLASS "\\n(The form was {middle}.)\"") },
        { "with words in braces on both sides", SAID("\"I fill in {middle}: " GLASS " as {asked}\"") },
        { "in a list of one", SAID("\"[" GLASS "]\"") },
        { "in a list of one, fenced", SAID("\"```json\\n[" GLASS "]\\n```\"") },
        { "vLLM, among the thoughts",
          "{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":null,\"reasoning_content\":\"" GLASS
          "\"}}]}" },
        { "among the thoughts, by another name",
          "{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":\"\",\"reasoning\":\"\\n" GLASS
          "\"}}]}" },
        { "Ollama's own way", "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"" GLASS
                              "\"},\"done_reason\":\"stop\",\"done\":true}" },
};

static json_t *glass_schema(void)
{
        return json_pack("{ss s{s{ss}} s[s] sb}", "type", "object", "properties", "middle", "type", "string",
                         "required", "middle", "additionalProperties", 0);
}

static void a_good_answer_is_taken_however_it_is_wrapped(void **state)
{
        (void)state;
        json_t *schema = glass_schema();
        for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
                struct ai_reply reply;
                const struct ai_response response = { .status = 200, .body = bytes_of_string(answers[i].body) };
                ai_judge(&response, schema, &reply);
                if (reply.verdict != AI_OK)
                        fail_msg("%s: verdict %d, %s: %s", answers[i].how, reply.verdict, reply.why.code,
                                 reply.why.text);
                assert_string_equal(json_string_value(json_object_get(reply.content, "middle")), "glass");
                assert_string_equal(reply.why.code, "");
                json_decref(reply.content);
        }
        json_decref(schema);
}

/* No answer, and why, in plain words. */
static const struct {
        const char *how, *body;
        enum ai_verdict verdict;
        const char *code, *words;
} none[] = {
        { "nothing", "", AI_TRANSIENT, "empty", "the reply is empty" },
        { "white space", " \r\n", AI_TRANSIENT, "empty", "the reply is empty" },
        { "an empty text", SAID("\"\""), AI_TRANSIENT, "empty", "the reply is empty" },
        { "thoughts alone", SAID("\"<think>hm</think>\""), AI_TRANSIENT, "empty", "thoughts" },
        { "Gemini, safety", "{\"choices\":[{\"finish_reason\":\"SAFETY\",\"message\":{\"role\":\"assistant\"}}]}",
          AI_PERMANENT, "content_filter", "SAFETY" },
        { "Gemini, recitation", TEXT("\"RECITATION\"", "null"), AI_PERMANENT, "content_filter", "RECITATION" },
        { "Gemini, the prompt", "{\"choices\":[],\"promptFeedback\":{\"blockReason\":\"PROHIBITED_CONTENT\"}}",
          AI_PERMANENT, "content_filter", "PROHIBITED" },
        { "Bedrock, guardrail", TEXT("\"guardrail_intervened\"", "\"no\""), AI_PERMANENT, "content_filter",
          "guardrail" },
        { "Anthropic, refusal", TEXT("\"refusal\"", "\"\""), AI_PERMANENT, "content_filter", "refusal" },
        { "a refusal as a part", SAID("[{\"type\":\"refusal\",\"refusal\":\"I can't\"}]"), AI_PERMANENT, "refused",
          "I can't" },
        { "Anthropic, cut", TEXT("\"max_tokens\"", "\"{\\\"mid\""), AI_TRANSIENT, "length", "max_tokens" },
        { "Gemini, cut", TEXT("\"MAX_TOKENS\"", "null"), AI_TRANSIENT, "length", "MAX_TOKENS" },
        { "Mistral, cut", TEXT("\"model_length\"", "\"{\""), AI_TRANSIENT, "length", "model_length" },
        { "thoughts alone, in a field of their own",
          "{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":\"\",\"reasoning_content\":\"hm {a}\"}}]}",
          AI_TRANSIENT, "empty", "the reply is empty" },
        { "a draft among thoughts that were cut",
          "{\"choices\":[{\"finish_reason\":\"length\",\"message\":{\"content\":null,\"reasoning_content\":\"" GLASS
          "\"}}]}",
          AI_TRANSIENT, "length", "length" },
        { "a list of two", SAID("\"[" GLASS "," GLASS "]\""), AI_TRANSIENT, "schema_mismatch", "" },
        { "Gemini's own word for the end's reason",
          "{\"choices\":[{\"finishReason\":\"SAFETY\",\"message\":{\"content\":\"\"}}]}", AI_PERMANENT,
          "content_filter", "SAFETY" },
        { "Anthropic's own message, refused",
          "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"No.\"}],\"stop_reason\":\"refusal\"}",
          AI_PERMANENT, "content_filter", "refusal" },
        { "Ollama's own way, cut",
          "{\"message\":{\"role\":\"assistant\",\"content\":\"{\\\"mid\"},\"done_reason\":\"length\",\"done\":true}",
          AI_TRANSIENT, "length", "length" },
        { "Zhipu, sensitive", TEXT("\"sensitive\"", "\"\""), AI_PERMANENT, "content_filter", "sensitive" },
        { "a longer word for it", TEXT("\"SENSITIVE_CONTENT\"", "\"\""), AI_PERMANENT, "content_filter", "SENSITIVE" },
        { "censored", TEXT("\"censored\"", "null"), AI_PERMANENT, "content_filter", "censored" },
        { "an end nobody knows", TEXT("\"network_error\"", "\"{\""), AI_TRANSIENT, "unfinished", "network_error" },
        { "Cohere, toxic", TEXT("\"ERROR_TOXIC\"", "\"\""), AI_PERMANENT, "content_filter", "TOXIC" },
        { "Cohere, cut", TEXT("\"ERROR_LIMIT\"", "\"{\""), AI_TRANSIENT, "length", "ERROR_LIMIT" },
        { "DeepSeek, no room", TEXT("\"insufficient_system_resource\"", "\"\""), AI_TRANSIENT, "unfinished",
          "resource" },
        { "Gemini, pictures", TEXT("\"IMAGE_SAFETY\"", "null"), AI_PERMANENT, "content_filter", "IMAGE_SAFETY" },
        { "Gemini, its own call", TEXT("\"MALFORMED_FUNCTION_CALL\"", "null"), AI_TRANSIENT, "unfinished",
          "MALFORMED" },
        { "a stream", "data: {\"choices\":[{\"delta\":{\"content\":\"{\"}}]}\n\ndata: [DONE]\n\n", AI_TRANSIENT,
          "streamed", "stream" },
        { "packed by zstd", "\x28\xb5\x2f\xfd\x01", AI_TRANSIENT, "compressed", "zstd" },
        { "choices null", "{\"choices\":null}", AI_TRANSIENT, "no_content", "choices" },
        { "packed", "\x1f\x8b\x08\x01\x01", AI_TRANSIENT, "compressed", "gzip" },
        { "broken in it", SAID("\"{\\\"middle\\\":\\\"\xff\\\"}\""), AI_TRANSIENT, "bad_json", "" },
};

static void what_is_no_answer_says_why(void **state)
{
        (void)state;
        json_t *schema = glass_schema();
        for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
                struct ai_reply reply;
                const struct ai_response response = { .status = 200, .body = bytes_of_string(none[i].body) };
                ai_judge(&response, schema, &reply);
                if (reply.verdict != none[i].verdict || strcmp(reply.why.code, none[i].code) != 0 ||
                    !strstr(reply.why.text, none[i].words))
                        fail_msg("%s: verdict %d, %s: %s", none[i].how, reply.verdict, reply.why.code, reply.why.text);
                json_decref(reply.content);
        }
        json_decref(schema);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(whose_fault_an_error_is),
                cmocka_unit_test(a_good_answer_is_taken_however_it_is_wrapped),
                cmocka_unit_test(what_is_no_answer_says_why),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
