/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of pieces of text, and what is made of it. */
#ifndef CHARD_CORE_TEXT_DIGEST_H
#define CHARD_CORE_TEXT_DIGEST_H

#include "core/bytes.h"

#include <stdbool.h>

#define DIGEST_SIZE      32
#define DIGEST_TEXT_SIZE 65 /* in hexadecimal, with its end */

/* The digest of `count` parts. Each part's size goes first, so that "ab","c" and "a","bc" differ. Any thread. False when libcrypto could not make it
 * (memory ran out, or the provider is gone): then `out` is all zeros, and stands for nothing. */
bool digest_of(const struct bytes parts[], size_t count, unsigned char out[DIGEST_SIZE])
        __attribute__((warn_unused_result));

/* The same in hexadecimal. False: an empty text. */
bool digest_text(const struct bytes parts[], size_t count, char out[DIGEST_TEXT_SIZE])
        __attribute__((warn_unused_result));

#endif
