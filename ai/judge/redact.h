/* SPDX-License-Identifier: Apache-2.0 */
/* Quotes a provider's words in our own error texts: short, in valid UTF-8 on one line, and never with the API key in them, which
 * some providers echo whole or in part ("Incorrect API key provided: sk-abcd****wxyz"). Pure. */
#ifndef CHARD_AI_JUDGE_REDACT_H
#define CHARD_AI_JUDGE_REDACT_H

#include "core/bytes.h"

#define REDACTED_SIZE 201 /* 200 bytes and a NUL */

/* Put the beginning of `words` into `out`, cleaned. Every word that holds `secret` (may be NULL) or six bytes in a row of it, that
 * looks like a key ("sk-…") or that is already masked ("***") becomes "***". */
void redact_words(struct bytes words, const char *secret, char out[REDACTED_SIZE]);

/* Make a text valid UTF-8 without control characters, in place: a bad byte becomes '?', a control character a space, and a
 * character that was cut off at the end goes. */
void redact_clean(char *text);

#endif
