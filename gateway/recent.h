/* SPDX-License-Identifier: Apache-2.0 */
/* The jobs that this process took last: who asks for one before a worker has begun it is told that it waits. A bounded number; the store knows the others. Loop thread. */
#ifndef CHARD_GATEWAY_RECENT_H
#define CHARD_GATEWAY_RECENT_H

#include <stdbool.h>
#include <stddef.h>

struct recent;

/* Remember up to `most`. 0 or -ENOMEM. */
int recent_open(struct recent **out, size_t most);

/* Copied; the oldest is forgotten. Where memory runs out it is not remembered. `pipeline` may be NULL. */
void recent_add(struct recent *r, const char *id, const char *pipeline);

/* Was it taken here lately? Then *pipeline is what was said, borrowed until the next addition. */
bool recent_find(const struct recent *r, const char *id, const char **pipeline);

/* NULL: nothing. */
void recent_close(struct recent *r);

#endif
