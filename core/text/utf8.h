/* SPDX-License-Identifier: Apache-2.0 */
/* Makes sure that a text from outside is UTF-8 before it goes to a log, a database or a browser; counts characters. Pure.
 * Source of the rules: RFC 3629, section 4; what counts as one broken character: Unicode 15, table 3-11. */
#ifndef CHARD_CORE_TEXT_UTF8_H
#define CHARD_CORE_TEXT_UTF8_H

#include "core/bytes.h"

#include <stdbool.h>
#include <stddef.h>

/* Look at the first character of `text`, which is not empty and ends with a NUL.
 * Returns true and its bytes (1 … 4) in *size, or false and in *size how many bytes are one broken character. */
bool utf8_next(const char *text, size_t *size);

/* Is all of a text whole characters? */
bool utf8_is(const char *text);

/* Replace each broken character by one '?', in place: the text never grows. When `was_cut`, the text was
 * cut to fit somewhere, and a character whose end is missing there is dropped instead. */
void utf8_repair(char *text, bool was_cut);

/* How many characters are in the `size` bytes of a text that is UTF-8. */
size_t utf8_count(const char *text, size_t size);

/* How many bytes the first `most` characters of a text take, or all of it where it has fewer. The text is UTF-8. */
size_t utf8_prefix(const char *text, size_t most);

/* How many of the first `limit` bytes of a text that is UTF-8 end at a character. */
size_t utf8_cut(struct bytes text, size_t limit);

#endif
