/* SPDX-License-Identifier: Apache-2.0 */
/* API keys: what their holders show, chard_ID_SECRET, and what they may do. Pure, but for making one. */
#ifndef CHARD_GATEWAY_API_KEY_H
#define CHARD_GATEWAY_API_KEY_H

#include "core/problem.h"
#include "core/text/digest.h"

#include <stdbool.h>

#define API_KEY_SIZE    82 /* "chard_", ten digits, "_", 64 digits (256 random bits), all hexadecimal; with its end */
#define API_KEY_ID_SIZE 11

enum api_scope {
        API_SUBMIT = 1,
        API_READ = 2,
        API_OPERATE = 4,
        API_ADMIN = 8, /* whatever there is */
};

#define API_SCOPES_SIZE 32 /* "submit,read,operate,admin" with its end */

/* Make a key. False when its digest could not be made. */
bool api_key_new(char key[API_KEY_SIZE], char id[API_KEY_ID_SIZE], char digest[DIGEST_TEXT_SIZE]);

/* The digest that is kept of a key. False: an empty text. */
bool api_key_digest(const char *key, char digest[DIGEST_TEXT_SIZE]) __attribute__((warn_unused_result));

/* Read the `Authorization` header (RFC 6750, 2.1): "Bearer KEY". Returns 0 with the whole key and its id; or 1 with `why` (source "request", code "no_key" where it is NULL, "wrong_key" where it
 * is no such key): then both are empty. */
int api_key_read(const char *authorization, char key[API_KEY_SIZE], char id[API_KEY_ID_SIZE], struct problem *why);

/* Are two digests the same? Takes as long whatever they hold. */
bool api_key_same(const char one[DIGEST_TEXT_SIZE], const char other[DIGEST_TEXT_SIZE]);

/* "submit, read" as bits. 0: a name among them is none, or there is none at all. / The name of one, NULL for what is none; and the other way round. */
unsigned api_scopes_read(const char *text);
void api_scopes_write(unsigned scopes, char out[API_SCOPES_SIZE]);
unsigned api_scope_of(const char *name, size_t size);

/* May somebody with these scopes do what needs that one (0: anybody)? */
bool api_scopes_allow(unsigned scopes, unsigned needed);

#endif
