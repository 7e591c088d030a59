/* SPDX-License-Identifier: Apache-2.0 */
/* Where requests go and what goes with each of them: the URL, made from a base URL as the OpenAI SDKs make it (base +
 * "/chat/completions"; a query stays behind it), and the headers. */
#ifndef CHARD_AI_HTTP_ENDPOINT_H
#define CHARD_AI_HTTP_ENDPOINT_H

#include "ai/ai.h"
#include "core/trace.h"

#include <curl/curl.h>

#define ENDPOINT_DEFAULT "https://api.openai.com/v1"

/* The headers of a request with one key. Those of earlier keys stay: requests with them may be under way. */
struct endpoint_key {
        struct endpoint_key *earlier;
        struct curl_slist *headers;
        char *secret; /* the API key, or NULL */
};

struct endpoint {
        char *url;                /* for people */
        CURLU *parsed;            /* the same for curl, which else would take it apart again for each exchange */
        struct endpoint_key *key; /* the one in use */
        bool literal;             /* the host is an address or localhost: nobody needs to look it up */
        bool tls;
        bool proxied; /* the environment names a proxy for it */
        bool http2_plain;
        bool baggage; /* goes out */
};

/* Make it from config's base_url, api_key, http2_plain and baggage. Returns 0; 1 with `why` (source "settings", code "bad_setting", never
 * quoting the key or the URL, which may hold a password); or -ENOMEM. Whatever is returned, endpoint_close gives all back. */
int endpoint_open(struct endpoint *e, const struct ai_config *config, struct problem *why);

/* Put URL and protocol into an easy handle, which then borrows from the endpoint. Returns 0 or -ENOMEM. */
int endpoint_apply(const struct endpoint *e, CURL *easy);

/* Use another key from now on, unless it is the same. Returns 0; 1: the same, or no key that can be sent, with `why`; or -ENOMEM. */
int endpoint_rekey(struct endpoint *e, const char *key, struct problem *why);

/* The headers that a handle has: those of a key, and before them, when it is traced, links of its own. Zeroed at first. */
struct endpoint_headers {
        const struct endpoint_key *key;
        unsigned count; /* of its own links */
        struct curl_slist links[3];
        char parent[sizeof("traceparent: ") + TRACE_PARENT_SIZE];
        char *more; /* the lines of tracestate and baggage, or NULL */
};

/* Put the headers of the key in use into a handle, and those of the trace that are well formed: traceparent, tracestate beside it, and baggage where the
 * endpoint is to get it. `h` is the handle's, and lives as long. 0 or -ENOMEM: then the handle is not to be used. */
int endpoint_apply_headers(const struct endpoint *e, CURL *easy, struct endpoint_headers *h,
                           const struct trace_context *trace);

/* The request is over: give back what only it needed. */
void endpoint_drop_headers(struct endpoint_headers *h);

void endpoint_close(struct endpoint *e);

#endif
