/* SPDX-License-Identifier: Apache-2.0 */
/* How messages name a picture that the store keeps by what is in it: "blob:sha256:" and 64 digits. Pure. */
#ifndef CHARD_CORE_TEXT_BLOB_URL_H
#define CHARD_CORE_TEXT_BLOB_URL_H

#include "core/bytes.h"

#include <stdbool.h>

#define BLOB_DIGEST_SIZE 65 /* of a SHA-256 in hexadecimal, of lower case, with its end */
#define BLOB_URL_SIZE    (sizeof("blob:sha256:") + BLOB_DIGEST_SIZE - 1)

/* Does a text say that it is one? */
bool blob_url_is(const char *text);

/* The digest in it: borrowed from the text, whose end is its own. NULL: this is none. */
const char *blob_url_digest(const char *text);

/* The URL of these bytes. False when libcrypto could not make it: then it is empty. */
bool blob_url_of(struct bytes content, char out[BLOB_URL_SIZE]) __attribute__((warn_unused_result));

#endif
