/* SPDX-License-Identifier: Apache-2.0 */
/* Aggregates of which events wait: whatever comes of one of them waits behind. */
#ifndef CHARD_CONSUMERS_HELD_H
#define CHARD_CONSUMERS_HELD_H

#include "core/map.h"

#include <jansson.h>

/* Make one of what the store says: {key: how many}. 0 or -ENOMEM, and then *out may be there, too. / Give it back (NULL: nothing). */
int held_fill(struct map **out, const json_t *counts);
void held_give_back(struct map *held);

size_t held_count(const struct map *held, const char *key);
int held_set(struct map *held, const char *key, size_t count); /* 0 or -ENOMEM */

#endif
