/* SPDX-License-Identifier: Apache-2.0 */
/* Finds what somebody meant to type. Pure. */
#ifndef CHARD_CORE_TEXT_NEAREST_H
#define CHARD_CORE_TEXT_NEAREST_H

#include <stddef.h>

/* The one of `count` names with the fewest edits (insert, delete, change, swap of neighbours; case is no edit)
 * from `typed`. To leave words out at one end counts as one edit: "--level" is near "--log-level". The first of
 * several as near. NULL when none is near: the edits may be a third of what was typed, not counting a mark that
 * most names start with ("--", "CHARD_"), or when `typed` has 64 bytes or more. */
const char *nearest_name(const char *typed, const char *const names[], size_t count);

enum { NEAREST_OFFER_SIZE = 96 };

/* The end of a complaint, in `out`, which is returned: `; did you mean "NAME"?`, or `otherwise` where none is near. */
const char *nearest_offer(char out[NEAREST_OFFER_SIZE], const char *typed, const char *const names[], size_t count,
                          const char *otherwise);

#endif
