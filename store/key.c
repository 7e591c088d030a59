/* SPDX-License-Identifier: Apache-2.0 */
#include "store/key.h"

#include "core/clock.h"
#include "core/id.h"

#include <endian.h>
#include <string.h>

void store_key_make(unsigned char key[KEY_SIZE])
{
        uint64_t head = (uint64_t)clock_wall_ms() << 16 | (random_bits() & 0x0fff) | 0x7000;
        uint64_t tail = (random_bits() >> 2) | 0x8000000000000000;

        head = htobe64(head);
        tail = htobe64(tail);
        memcpy(key, &head, sizeof(head));
        memcpy(key + sizeof(head), &tail, sizeof(tail));
}

void store_key_part(const unsigned char key[KEY_SIZE], size_t n, unsigned char out[KEY_SIZE])
{
        memcpy(out, key, KEY_SIZE);
        out[KEY_SIZE - 1] ^= (unsigned char)(n & 0xff);
        out[KEY_SIZE - 2] ^= (unsigned char)(n >> 8 & 0xff);
}
