/* SPDX-License-Identifier: Apache-2.0 */
/* The public keys of who signs tokens, and whether a signature is one of theirs. RS256 (RSA of 2,048 bits and more) and ES256 (P-256), nothing else: keys of other kinds are passed
 * over, so that no text of a public key ever serves as the secret of an HMAC. Sources: RFC 7517 (JWK), RFC 7518, 3.3 and 3.4. Loop thread. */
#ifndef CHARD_GATEWAY_ACCESS_JWK_H
#define CHARD_GATEWAY_ACCESS_JWK_H

#include "core/bytes.h"
#include "core/problem.h"

#include <stdbool.h>

struct jwk_set;

enum jwk_use {
        JWK_NONE, /* an algorithm that is not taken */
        JWK_RS256,
        JWK_ES256,
};

/* "RS256", "ES256"; whatever else, or NULL, is JWK_NONE. */
enum jwk_use jwk_use_of(const char *alg);

/* Read a set of keys as its issuer serves it. Returns 0 with those that can be used, one at least; 1 with `why` (source "gateway", code "bad_issuer"); or -ENOMEM. */
int jwk_set_read(struct jwk_set **out, struct bytes text, struct problem *why);
void jwk_set_free(struct jwk_set *set); /* NULL: nothing */

/* Is there a key for this algorithm by that name (NULL: by any)? */
bool jwk_set_has(const struct jwk_set *set, enum jwk_use use, const char *kid);

/* Did one of these keys sign `text`? */
bool jwk_set_verify(const struct jwk_set *set, enum jwk_use use, const char *kid, struct bytes text,
                    struct bytes signature);

#endif
