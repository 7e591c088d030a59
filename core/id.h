/* SPDX-License-Identifier: Apache-2.0 */
/* Random identifiers and random numbers. */
#ifndef CHARD_CORE_ID_H
#define CHARD_CORE_ID_H

#include <stdint.h>

#define ID_TEXT_SIZE 37

/* Write a new random UUID (version 4, RFC 9562) in lower case. Any thread. */
void id_new(char out[ID_TEXT_SIZE]);

/* 64 random bits from the kernel's generator, buffered per thread. Any thread. */
uint64_t random_bits(void);

#endif
