/* SPDX-License-Identifier: Apache-2.0 */
/* An OpenID Connect issuer, and its keys as they were read last. They are read when the gateway opens, every ten minutes from then on as tokens come, and when a token names a key that is not among
 * them, though not more often than every five seconds; on a thread, so that no request waits. While the issuer is away those count that were known last. Loop thread.
 * Source: OpenID Connect Discovery 1.0, 4 (/.well-known/openid-configuration). */
#ifndef CHARD_GATEWAY_ACCESS_ISSUER_H
#define CHARD_GATEWAY_ACCESS_ISSUER_H

#include "gateway/access/token.h"

#include <uv.h>

struct issuer;

/* All borrowed as long as it lives. */
struct issuer_config {
        const char *name;     /* what `iss` is */
        const char *keys_url; /* where its JWK Set is; NULL or "": as its discovery document says */
        const char *audience, *scope_claim;
        const char *ca_file; /* PEM file of the authorities to trust; NULL = the system's */
};

/* Returns 0, and the keys are being read; 1 with `why` (source "gateway", code "bad_issuer"); or -ENOMEM. */
int issuer_open(struct issuer **out, uv_loop_t *loop, const struct issuer_config *config, struct problem *why);

/* The loop stays for what is under way a second at most. NULL: nothing. */
void issuer_close(struct issuer *is);

/* As token_check. A key that the issuer, asked just now, does not have either makes a token wrong. */
int issuer_check(struct issuer *is, const char *token, struct token_holder *out, struct problem *why);

#endif
