/* SPDX-License-Identifier: Apache-2.0 */
/* The door to the AI provider: one request in, one judged reply out. Everything runs on the loop thread; no call waits.
 * Source of the wire form: OpenAI API reference, "Create chat completion"; error codes: OpenAI guide, "Error codes";
 * limits: OpenAI guide, "Rate limits" (x-ratelimit-* headers); Retry-After: RFC 9110, 10.2.3. */
#ifndef CHARD_AI_H
#define CHARD_AI_H

#include "core/bytes.h"
#include "core/problem.h"
#include "core/trace.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum ai_part_kind { AI_TEXT, AI_IMAGE_URL };

/* One piece of what the user says. Borrowed text. */
struct ai_part {
        enum ai_part_kind kind;
        const char *text; /* the text, or the URL (http, https or data) */
};

struct ai_turn {
        const char *role; /* "system", "user", "assistant" */
        const struct ai_part *parts;
        size_t part_count;
};

extern const char AI_MODEL_TEXT[];   /* the setting openai_model */
extern const char AI_MODEL_VISION[]; /* the setting openai_vision_model */

/* What a task asks. Everything borrowed until the reply has come (the engine keeps it in the task's arena). */
struct ai_request {
        const char *task;  /* task name: for the offline provider and the log */
        const char *model; /* AI_MODEL_TEXT (as NULL is, too), AI_MODEL_VISION, or a model's own name */
        const struct ai_turn *turns;
        size_t turn_count;
        const char *schema_name;     /* [a-zA-Z0-9_-]{1,64} */
        const json_t *schema;        /* the JSON schema that the answer must fit */
        unsigned max_tokens;         /* 0 = the provider's own limit */
        unsigned deadline_ms;        /* for the whole call */
        unsigned connect_timeout_ms; /* for its connection; 0 = the one of ai_config */
        const json_t *facts; /* what the offline provider answers from: the task's document; never sent anywhere */
        const char *lang;    /* a BCP 47 tag */
        /* Sent as headers, each where it is well formed: traceparent, and tracestate beside it; baggage where ai_config allows it. */
        struct trace_context trace;
        /* The text of a part, or NULL: one that stays as it is for the process's life, so that its encoding is kept. */
        const char *constant;
};

#define AI_NEVER UINT64_MAX

/* How a reply is judged. Only AI_OK carries content. */
enum ai_verdict {
        AI_OK,
        AI_TRANSIENT, /* may succeed later: time-outs, 5xx, broken JSON, an answer that breaks its schema; burns an attempt */
        AI_WAIT, /* the model or the endpoint is paused (429, breaker open, a bad key), and nothing was done for us: wait_ms, burns no attempt */
        AI_PERMANENT, /* never: refused content, a request that is bad or too large */
        AI_CANCELLED, /* taken back by ai_cancel or ai_close: as if never called */
};

/* Whose fault an AI_WAIT is: not the message's (I9). */
enum ai_fault {
        AI_FAULT_NONE,     /* nobody's: the model is asked for too often, or rests */
        AI_FAULT_MODEL,    /* there is no such model, or not for us, or it takes no request of our form */
        AI_FAULT_ENDPOINT, /* key, money, address: no request passes */
};

struct ai_reply {
        enum ai_verdict verdict;
        enum ai_fault fault;
        struct problem why; /* when not AI_OK: source "provider" */
        uint64_t
                wait_ms; /* AI_WAIT: how long; AI_TRANSIENT: what Retry-After asked for, or how long its model is paused, or 0 */
        bool whole; /* the model has answered, if only with what nobody can use, or was paid for: what is wrong is between the model and the message, not the endpoint */
        bool out;   /* AI_TRANSIENT: it failed while its model was out, or showed that it is */
        uint64_t
                served_ago_ms; /* AI_TRANSIENT: when this process was last given something whole by that model; AI_NEVER: not since it began */
        json_t *content; /* AI_OK: the answer, checked against the schema; borrowed for the length of the callback */
        bool asked;      /* the provider was: it was not where the call had to wait, or found no room */
        const char *provider;  /* "openai", "offline"; constant */
        const char *asked_for; /* the model that an endpoint was to be asked; there until ai_close; NULL: none was */
        char model[64];        /* as the provider named it */
        unsigned tokens_in, tokens_out;
        int64_t cost_nano; /* billionths of a US dollar, from the price table; 0 when unknown or offline */
        unsigned elapsed_ms;
};
typedef void ai_done(const struct ai_reply *reply, void *arg);

struct ai_config {
        uv_loop_t *loop;
        const char *provider; /* "openai", "offline", or NULL/"": openai where a key or a base URL is set */
        const char *base_url, *api_key, *model, *vision_model;
        const char *
                api_key_file; /* where api_key came from, or NULL: read again when the endpoint takes the key no more */
        unsigned connect_timeout_ms;
        long max_connections; /* sockets at once; also kept below what the process may open */
        bool http2_plain;
        bool baggage; /* send it too; it may say more of whoever asked than the provider is to know */
        /* How the offline provider answers `request` (from request->facts and data of its own); NULL where nobody supplies it.
         * Returns 0 and a new reference; 1 with `why` (the reply is AI_PERMANENT); < 0 = bug or out of memory. */
        int (*offline)(const struct ai_request *request, json_t **answer, void *arg, struct problem *why);
        void *offline_arg;
};

struct ai;      /* the provider in use, its limiter and breaker */
struct ai_call; /* one call under way */

/* Open. Returns 0; 1 with `why` (source "settings", code "bad_setting"); or -errno. The key is copied and never logged. */
int ai_open(struct ai **out, const struct ai_config *config, struct problem *why);

/* "openai" or "offline"; constant. */
const char *ai_provider_name(const struct ai *ai);

/* How long `model` is paused from now, in milliseconds; 0 = it may be called. */
uint64_t ai_paused_ms(const struct ai *ai, const char *model, uint64_t now_ms);

/* Tell what is paused and why: "endpoint", or a model by its name. `fault`: somebody must mend it; else it rests, and comes back by itself. */
typedef void ai_trouble(const char *what, const struct problem *why, bool fault, void *arg);
void ai_tell_trouble(const struct ai *ai, ai_trouble *tell, void *arg);

/* What keeps calls of a model from going out, and whether it does. */
struct ai_model_state {
        const char *name;
        uint64_t paused_ms;  /* surely nothing is called for so long; 0 = it may be */
        const char *limiter; /* "free", "paused", "ramping": let in by and by; constant */
        const char *breaker; /* "closed", "open", "half_open": it is being tried; constant */
};

/* Tell of all models that were asked for; none where there is no endpoint. */
typedef void ai_model_tell(const struct ai_model_state *state, void *arg);
void ai_tell_models(const struct ai *ai, uint64_t now_ms, ai_model_tell *tell, void *arg);

/* Ask. `done` is called exactly once, later, never from inside this call. *out (may be NULL) names the call until then.
 * Returns 0; -ENOMEM; or -ECANCELED after ai_close (in both `done` is not called). While the model is paused it answers AI_WAIT at
 * once (from the loop). A call that finds no free connection waits for up to a quarter of its deadline, then is told AI_WAIT too. */
int ai_ask(struct ai *ai, const struct ai_request *request, ai_done *done, void *arg, struct ai_call **out);

/* Take a call back; its `done` comes with AI_CANCELLED before this returns. */
void ai_cancel(struct ai *ai, struct ai_call *call);

/* Calls under way. */
size_t ai_in_flight(const struct ai *ai);

/* Cancel everything and give all back once the loop has closed the handles (run the loop once more). */
void ai_close(struct ai *ai);

/* ---- pure parts, with table tests ---- */

/* What a response was, as far as judging needs it. */
struct ai_response {
        long status; /* HTTP status, 0 when none came */
        bool timed_out;
        const char *transport_error; /* curl's words, or NULL */
        bool too_big;                /* the transport error: the reply is larger than what is read of one */
        const char *retry_after;     /* header values, or NULL */
        const char *retry_after_ms; /* the same in milliseconds, as some gateways send it beside Retry-After; it wins */
        const char *reset_requests, *reset_tokens; /* x-ratelimit-reset-requests / -tokens: "1s", "6m0s", "20ms" */
        const char *remaining_requests, *remaining_tokens;
        struct bytes body;
        int64_t now_ms;     /* wall clock, for HTTP dates */
        const char *secret; /* the API key, never to be quoted back; or NULL */
};

/* Judge a response and take its content apart; fills everything of *reply but elapsed_ms and provider (reply->content is a new reference here).
 * `schema` may be NULL. */
void ai_judge(const struct ai_response *response, const json_t *schema, struct ai_reply *reply);

/* Milliseconds that a Retry-After (seconds or HTTP date) / a reset duration names; -1 when it is neither. */
int64_t ai_retry_after_ms(const char *value, int64_t now_ms);
int64_t ai_duration_ms(const char *value);

/* Check `value` against `schema` (the part of JSON Schema that structured outputs allow: type, enum, const, properties, required,
 * additionalProperties, items, minItems, maxItems, minLength, maxLength, minimum, maximum, anyOf). Returns 0; 1 with `why`
 * (code "schema_mismatch", the text names the place as a JSON pointer). */
int ai_schema_check(const json_t *schema, const json_t *value, struct problem *why);

/* Would a provider take `schema` in strict mode (OpenAI guide "Structured outputs", "Supported schemas")? Returns 0; 1 with `why` (code "bad_data"; the text
 * begins with the place, "at /properties/a: …"). Any thread. */
int ai_schema_strict(const json_t *schema, struct problem *why);

/* The request's JSON as it goes over the wire, appended to `out`. Returns 0 or -ENOMEM. */
int ai_request_write(const struct ai_request *request, const char *model, struct buffer *out);

/* Billionths of a dollar for a call of a model, from the price table in ai/prices.c; 0 for a model that isn't there. */
int64_t ai_cost_nano(const char *model, unsigned tokens_in, unsigned tokens_out);

#endif
