/* SPDX-License-Identifier: Apache-2.0 */
/* What a test may know of the runs in which memory is short (short_memory.c). */
#ifndef CHARD_TESTS_SHORT_MEMORY_H
#define CHARD_TESTS_SHORT_MEMORY_H

#include <stdbool.h>

/* Fails the test where this does not hold, unless an allocation has failed by plan in this run. Gives whether it holds: `if` that is so, what must
 * hold too can be asserted. */
#define holds_unless_short(condition) short_memory_holds((condition), #condition, __FILE__, __LINE__)

/* Fails the test where this does not hold, and does so even where memory is short: what is promised there, too. */
#define holds_even_short(condition) short_memory_promise((condition), #condition, __FILE__, __LINE__)

void short_memory_promise(bool condition, const char *text, const char *file, int line);
bool short_memory_holds(bool condition, const char *text, const char *file, int line);

#endif
