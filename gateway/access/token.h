/* SPDX-License-Identifier: Apache-2.0 */
/* A token that an OpenID Connect issuer signed (JWT): may its holder come in, and what may they do? Pure. Sources: RFC 7519 (claims), RFC 7515 (JWS, compact form), RFC 8725 (what to refuse),
 * RFC 9068 (scope). Loop thread. */
#ifndef CHARD_GATEWAY_ACCESS_TOKEN_H
#define CHARD_GATEWAY_ACCESS_TOKEN_H

#include "core/http/exchange.h"
#include "core/problem.h"
#include "gateway/access/jwk.h"

#include <stdint.h>

enum { TOKEN_UNKNOWN_KEY = 2 };

/* All borrowed. */
struct token_rules {
        const char *issuer, *audience; /* what `iss` must be, and `aud` must name */
        const char *scope_claim;       /* where scopes stand: a text with blanks between them, or an array */
};

struct token_holder {
        char who[EXCHANGE_WHO_SIZE]; /* the same for each token of one `iss` and `sub` */
        unsigned scopes;             /* enum api_scope */
        int64_t until_s;             /* Unix time from which on it does not count */
};

/* Look at a token at `now_s` (Unix time; a minute of difference between clocks is allowed). Returns 0 with its holder; 1 with `why` (source "request", code "wrong_token": it will never
 * count; "expired"); TOKEN_UNKNOWN_KEY with `why`: the set (NULL: none was read yet) lacks the key that it names; or -ENOMEM. */
int token_check(struct bytes text, const struct token_rules *rules, const struct jwk_set *set, int64_t now_s,
                struct token_holder *out, struct problem *why);

#endif
