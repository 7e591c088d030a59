/* SPDX-License-Identifier: Apache-2.0 */
/* Values as Python would print them, cut short: what Flower and logs show of a task (headers argsrepr and kwargsrepr).
 * For people only; nothing reads it back. Pure. */
#ifndef CHARD_MESSAGE_WIRE_REPR_H
#define CHARD_MESSAGE_WIRE_REPR_H

#include "core/bytes.h"

#include <jansson.h>

/* About how long it gets, as in Celery. */
#define REPR_MAX 1024

/* Append any value. */
void repr_value(const json_t *value, struct buffer *out);

/* Append keyword arguments. `object` may be NULL: none. */
void repr_kwargs(const json_t *object, struct buffer *out);

/* Append positional arguments as a tuple. `first` is JSON text that stands before the items of `array`, shown as it is; empty: none. */
void repr_args(struct bytes first, const json_t *array, struct buffer *out);

#endif
