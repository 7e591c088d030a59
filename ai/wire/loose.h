/* SPDX-License-Identifier: Apache-2.0 */
/* Makes JSON of what some endpoints send as JSON: NaN and Infinity, numbers beyond all bounds, raw control characters, broken UTF-8 and half surrogates, a
 * byte order mark. Such a value mostly stands in a field that nobody reads, beside an answer that was paid for. Pure. */
#ifndef CHARD_AI_WIRE_LOOSE_H
#define CHARD_AI_WIRE_LOOSE_H

#include "core/bytes.h"

#include <stdbool.h>

/* Without the byte order mark and the white space around it. */
struct bytes loose_trim(struct bytes text);

/* Append `text` to `out`, with null for each bare word or number that JSON does not have, and U+0001 for each character that a string can't hold: an answer
 * in which one stands is still no JSON. Memory loss shows in out->failed. */
void loose_repair(struct bytes text, struct buffer *out);

#endif
