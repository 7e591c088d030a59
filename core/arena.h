/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that lives as long as one task: taken piece by piece, given back at once.
 * Owned by one thread; never blocks. */
#ifndef CHARD_CORE_ARENA_H
#define CHARD_CORE_ARENA_H

#include <stddef.h>

struct arena_block;

/* Zero-initialise to start; nothing is allocated before the first request. */
struct arena {
        struct arena_block *blocks;
        size_t used;
};

/* `size` bytes, zeroed, aligned for any type; NULL when memory ran out. */
void *arena_alloc(struct arena *a, size_t size);

/* A NUL-terminated copy of `size` bytes / of a text; NULL when memory ran out. NULL copies to NULL. */
char *arena_copy(struct arena *a, const void *data, size_t size);
char *arena_string(struct arena *a, const char *text);

/* Formatted text; NULL when memory ran out. */
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Give everything back; the arena is empty and usable again. */
void arena_free(struct arena *a);

#endif
