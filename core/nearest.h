/* SPDX-License-Identifier: Apache-2.0 */
/* Finds what somebody meant to type. Pure. */
#ifndef CHARD_CORE_NEAREST_H
#define CHARD_CORE_NEAREST_H

#include <stddef.h>

/* The one of `count` names with the fewest edits (insert, delete, change, swap of neighbours) from `typed`,
 * or NULL when none is near (more than a third of its length away). */
const char *nearest_name(const char *typed, const char *const names[], size_t count);

#endif
