/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 as RFC 4648 has it: section 4, the standard alphabet, padded; and section 5, for URLs and file names, without padding, as RFC 7515 (JWS) writes it. Pure. */
#ifndef CHARD_MESSAGE_WIRE_BASE64_H
#define CHARD_MESSAGE_WIRE_BASE64_H

#include "core/bytes.h"

/* Append the encoding of `raw`. Memory loss shows in out->failed. */
void base64_encode(struct bytes raw, struct buffer *out);

/* Append what `text` encodes; line breaks between groups of four are passed over. Returns 0, or 1 when it is no base64
 * (`out` may then hold a part). Memory loss shows in out->failed. */
int base64_decode(struct bytes text, struct buffer *out);

/* The same for section 5: letters alone, no padding, no line breaks. */
int base64url_decode(struct bytes text, struct buffer *out);

#endif
