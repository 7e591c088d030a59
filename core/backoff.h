/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait before trying again: exponential with full jitter. Pure.
 * Source of the formula: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. */
#ifndef CHARD_CORE_BACKOFF_H
#define CHARD_CORE_BACKOFF_H

#include <stdint.h>

/* A uniform choice from 0 … min(cap, base * 2^failures) milliseconds, both ends included.
 * `failures` counts from 0; `random` is any 64 random bits. */
uint64_t backoff_ms(uint64_t base_ms, uint64_t cap_ms, unsigned failures, uint64_t random);

#endif
