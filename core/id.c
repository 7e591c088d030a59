/* SPDX-License-Identifier: Apache-2.0 */
#include "core/id.h"

#include "core/text/hex.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* One system call fills many ids. A forked child would repeat them: chard never forks without exec. */
static _Thread_local struct {
        uint64_t words[64];
        unsigned left;
} pool;

uint64_t random_bits(void)
{
        if (pool.left == 0) {
                /* Up to 256 bytes come whole and unasked-twice once the kernel's generator is ready: getrandom(2). */
                const size_t half = sizeof(pool.words) / 2;
                if (getrandom(pool.words, half, 0) != (ssize_t)half)
                        abort();
                if (getrandom((char *)pool.words + half, half, 0) != (ssize_t)half)
                        abort();
                pool.left = sizeof(pool.words) / sizeof(pool.words[0]);
        }
        return pool.words[--pool.left];
}

void id_new(char out[ID_TEXT_SIZE])
{
        uint64_t words[2] = { random_bits(), random_bits() };
        unsigned char raw[16];
        memcpy(raw, words, sizeof(raw));
        raw[6] = (unsigned char)((raw[6] & 0x0F) | 0x40); /* version 4 */
        raw[8] = (unsigned char)((raw[8] & 0x3F) | 0x80); /* variant of RFC 9562 */

        char *at = out;
        for (unsigned i = 0; i < sizeof(raw); i += 2) {
                if (i >= 4 && i <= 10)
                        *at++ = '-';
                at = hex_write(at, raw + i, 2);
        }
        *at = '\0';
}
