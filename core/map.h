/* SPDX-License-Identifier: Apache-2.0 */
/* Finds a thing by its text key: open hashing, keys borrowed from the things themselves.
 * Owned by one thread. */
#ifndef CHARD_CORE_MAP_H
#define CHARD_CORE_MAP_H

#include <stddef.h>

struct map;

/* Open an empty map. Returns 0 or -ENOMEM. */
int map_new(struct map **out);

/* What stands under `key`, or NULL. */
void *map_get(const struct map *m, const char *key);

/* Put `value` under `key`, which must live as long as it stands there. An older value is replaced.
 * Returns 0 or -ENOMEM (nothing changed). */
int map_put(struct map *m, const char *key, void *value);

/* Take out and return what stands under `key`, or NULL. */
void *map_take(struct map *m, const char *key);

size_t map_count(const struct map *m);

/* Call `each` for every value; it must not change the map. */
void map_each(const struct map *m, void (*each)(void *value, void *arg), void *arg);

/* Close the map; the values are the caller's. */
void map_free(struct map *m);

#endif
