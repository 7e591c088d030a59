/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of rows that whoever inserts them makes, so that an insert that is repeated is the same row. Pure but for the clock and chance; any thread. */
#ifndef CHARD_STORE_KEY_H
#define CHARD_STORE_KEY_H

#include <stddef.h>

#define KEY_SIZE 16

/* One that sorts by time, so that new rows go to one end of their index (UUID version 7, RFC 9562). */
void store_key_make(unsigned char key[KEY_SIZE]);

/* The key of the n-th of a call's rows, of at most 65,536: always the same one. */
void store_key_part(const unsigned char key[KEY_SIZE], size_t n, unsigned char out[KEY_SIZE]);

#endif
