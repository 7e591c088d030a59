/* SPDX-License-Identifier: Apache-2.0 */
/* Hexadecimal digits, and the %XX of URLs. Pure. */
#ifndef CHARD_CORE_TEXT_HEX_H
#define CHARD_CORE_TEXT_HEX_H

#include <stdbool.h>
#include <stddef.h>

/* 0 … 15, or -1 for what is no digit of either case. */
static inline int hex_value(char c)
{
        const char lower = (char)(c | 0x20);
        return c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The byte that the %XX at `at` stands for, of which `size` bytes are there; or -1 when it is none. */
static inline int hex_escape(const char *at, size_t size)
{
        const int high = size > 2 && at[0] == '%' ? hex_value(at[1]) : -1, low = high >= 0 ? hex_value(at[2]) : -1;
        return low >= 0 ? high * 16 + low : -1;
}

#endif
