/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a JSON string that stands for itself; of the reader and the writer. */
#ifndef CHARD_CORE_JSON_PLAIN_H
#define CHARD_CORE_JSON_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* How many bytes there are up to the next quote, backslash or control character; *ascii is cleared by any of them above 0x7f.
 * Eight at a time: (v - 0x01…) & 0x80… marks bytes that are 0, `x ^ c` is 0 where x has c, and a byte below 0x20 is borrowed
 * from. Source: Warren, "Hacker's Delight", 6-1. */
static inline size_t json_plain_run(const unsigned char *text, size_t size, bool *ascii)
{
        const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones * 0x80;
        uint64_t seen = 0;
        size_t at = 0;
        for (; at + 8 <= size; at += 8) {
                uint64_t x;
                memcpy(&x, text + at, 8);
                const uint64_t quote = x ^ ones * '"', slash = x ^ ones * '\\';
                if ((((x - ones * 0x20) & ~x) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & tops)
                        break;
                seen |= x;
        }
        for (; at < size && text[at] >= 0x20 && text[at] != '"' && text[at] != '\\'; at++)
                seen |= text[at];
        if (seen & tops)
                *ascii = false;
        return at;
}

#endif
