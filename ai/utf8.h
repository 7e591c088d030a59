/* SPDX-License-Identifier: Apache-2.0 */
/* One UTF-8 character at a time. Source: RFC 3629, section 4 (no surrogates, no overlong forms, nothing past U+10FFFF). */
#ifndef CHARD_AI_UTF8_H
#define CHARD_AI_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the well-formed character at `at`, which has `size` readable bytes; 0 when there is none. */
static inline size_t utf8_size(const char *at, size_t size)
{
        const unsigned char *c = (const unsigned char *)at;
        if (size == 0)
                return 0;
        if (c[0] < 0x80)
                return 1;
        if (size < 2 || (c[1] & 0xC0) != 0x80)
                return 0;
        if (c[0] >= 0xC2 && c[0] <= 0xDF)
                return 2;
        if (size < 3 || (c[2] & 0xC0) != 0x80)
                return 0;
        if ((c[0] & 0xF0) == 0xE0)
                return (c[0] == 0xE0 && c[1] < 0xA0) || (c[0] == 0xED && c[1] > 0x9F) ? 0 : 3;
        if (size < 4 || (c[3] & 0xC0) != 0x80 || c[0] > 0xF4 || c[0] < 0xF0)
                return 0;
        return (c[0] == 0xF0 && c[1] < 0x90) || (c[0] == 0xF4 && c[1] > 0x8F) ? 0 : 4;
}

/* The NUL-terminated text at `at` is the beginning of a character whose end was cut off. */
static inline bool utf8_is_cut(const char *at)
{
        const unsigned char *c = (const unsigned char *)at;
        size_t wanted = c[0] >= 0xF0 && c[0] <= 0xF4 ? 4 : c[0] >= 0xE0 ? 3 : c[0] >= 0xC2 ? 2 : 0;
        for (size_t i = 1; i < wanted; i++) {
                if (c[i] == '\0')
                        return true;
                if ((c[i] & 0xC0) != 0x80)
                        return false;
        }
        return false;
}

#endif
