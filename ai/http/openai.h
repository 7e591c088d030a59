/* SPDX-License-Identifier: Apache-2.0 */
/* Carries requests to an OpenAI-compatible endpoint and responses back: HTTP, connections, time-outs. What they mean is judged
 * elsewhere (ai.h). Owned by the loop thread. */
#ifndef CHARD_AI_HTTP_OPENAI_H
#define CHARD_AI_HTTP_OPENAI_H

#include "ai/ai.h"

struct openai;          /* the endpoint and the connections to it */
struct openai_exchange; /* one request on its way */

/* The response came, or none will. Everything in it is borrowed for the length of the call. */
typedef void openai_done(const struct ai_response *response, void *arg);

/* Exchanges have ended or got under way, so there may be room for others. */
typedef void openai_ready(void *arg);

/* Open. From `config` it takes loop, base_url, api_key, connect_timeout_ms, max_connections, http2_plain and baggage.
 * Returns 0; 1 with `why` (source "settings", code "bad_setting"); or -errno. */
int openai_open(struct openai **out, const struct ai_config *config, openai_ready *ready, void *arg,
                struct problem *why);

/* Whether another exchange would start at once. Starting one without room makes curl queue it while its deadline runs. There is
 * no room while as many connections are used as may be, or while too many are still being made: a hundred threads would look
 * the same name up, and TLS handshakes would run into their time-outs for want of processor time. */
bool openai_admits(const struct openai *o);

/* Milliseconds for the whole exchange, and for its connection (0 = as the config says). And the trace that it belongs to. */
struct openai_limits {
        unsigned deadline_ms, connect_ms;
        struct trace_context trace; /* borrowed for the length of openai_post */
};

/* Post a copy of `body`. `done` is called once, later, from the loop. Returns 0 or -ENOMEM. */
int openai_post(struct openai *o, struct bytes body, struct openai_limits limits, openai_done *done, void *arg,
                struct openai_exchange **out);

/* Send another key from the next request on. Returns as endpoint_rekey. */
int openai_rekey(struct openai *o, const char *key, struct problem *why);

/* Where requests go; borrowed. */
const char *openai_url(const struct openai *o);

/* Take an exchange back; `done` is not called. */
void openai_cancel(struct openai_exchange *x);

/* Close the connections, and give all back once the loop has closed the handles. No exchange may be left, but the one whose `done`
 * is being called may be. */
void openai_close(struct openai *o);

#endif
