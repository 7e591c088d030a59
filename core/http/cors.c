/* SPDX-License-Identifier: Apache-2.0 */
/* What browsers are told of pages that may use this server from elsewhere. No cookies are: who asks shows a key, if anything. Source: the Fetch standard, "CORS protocol". */
#include "core/http/host.h"
#include "core/http/server_own.h"

#include <string.h>

#define CORS_ASKS  "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, traceparent, tracestate, baggage"
#define CORS_READS "Location, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate"

bool cors_tell(struct exchange *x)
{
        const char *origin = exchange_header(x, "Origin");
        if (!host_is_listed(origin, x->server->config.origins))
                return false;
        exchange_add_header(x, "Access-Control-Allow-Origin", origin);
        exchange_add_header(x, "Vary", "Origin");
        exchange_add_header(x, "Access-Control-Expose-Headers", CORS_READS);
        return true;
}

bool cors_preflight(struct exchange *x, const char *allowed)
{
        struct buffer nothing = { 0 };
        if (strcmp(x->method, "OPTIONS") != 0 || !exchange_header(x, "Access-Control-Request-Method") || !*allowed)
                return false;
        exchange_add_header(x, "Access-Control-Allow-Methods", allowed);
        exchange_add_header(x, "Access-Control-Allow-Headers", CORS_ASKS);
        exchange_add_header(x, "Access-Control-Max-Age", "600");
        exchange_answer(x, 204, "text/plain", &nothing);
        return true;
}
