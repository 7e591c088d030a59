/* SPDX-License-Identifier: Apache-2.0 */
/* Whom a gateway lets in: by API keys, and by tokens of an OpenID Connect issuer (gateway/access/), where it has one. The keys are read from the store before it listens and every two seconds from then on, so that no request waits for them, and a key that was
 * revoked is refused that soon. While the store is away those count that were known last. Loop thread. */
#ifndef CHARD_GATEWAY_KEYS_H
#define CHARD_GATEWAY_KEYS_H

#include "core/http/exchange.h"
#include "gateway/gateway.h"

struct keys;

/* Read them, waiting up to connect_timeout_ms; then again through `store`, which must stay open until keys_close. Returns 0; 1 with `why` (source "gateway", code "no_keys": others reach the address that it
 * listens on, and there is neither a key that counts nor an issuer; or as store_open and issuer_open say it); or -errno. */
int keys_open(struct keys **out, const struct gateway_config *config, struct store *store, struct problem *why);

/* Before the store; the loop must turn until it is idle. NULL: nothing. */
void keys_close(struct keys *k);

/* Is a key asked for? There was one, though it may be revoked, there is an issuer, or others reach the address. */
bool keys_asked(const struct keys *k);

/* May this request do what needs this scope (enum api_scope)? Returns 0, with its key's id as exchange_who, or what stands for a token's holder; or 1 with `why` (source "request", code "no_key", "wrong_key", "no_scope", "too_many", or as issuer_check says it). Adds
 * what the answer's headers say of it. */
int keys_admit(struct keys *k, struct exchange *x, unsigned scope, struct problem *why);

/* Changes with each key that was revoked, with the first that there is, and each second where there is an issuer, whose tokens expire: those who were let in before may be no more. */
unsigned keys_revision(const struct keys *k);

/* Does whoever sent this, and was let in, still count? */
bool keys_count(const struct keys *k, const struct exchange *x);

/* Answer somebody who was let in, and does not count any more. */
void keys_dismiss(struct exchange *x);

#endif
