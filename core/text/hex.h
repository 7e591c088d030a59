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

/* The number that four digits say, or -1. */
static inline int hex_four(const char *at)
{
        int number = 0;
        for (int i = 0; i < 4 && number >= 0; i++)
                number = hex_value(at[i]) < 0 ? -1 : number * 16 + hex_value(at[i]);
        return number;
}

/* Write each byte as two digits, of lower case, without a NUL. Returns where the next ones go. */
static inline char *hex_write(char *out, const unsigned char *data, size_t size)
{
        static const char digits[] = "0123456789abcdef";
        for (size_t i = 0; i < size; i++) {
                *out++ = digits[data[i] >> 4];
                *out++ = digits[data[i] & 15];
        }
        return out;
}

/* The byte that the %XX at `at` stands for, of which `size` bytes are there; or -1 when it is none. */
static inline int hex_escape(const char *at, size_t size)
{
        const int high = size > 2 && at[0] == '%' ? hex_value(at[1]) : -1, low = high >= 0 ? hex_value(at[2]) : -1;
        return low >= 0 ? high * 16 + low : -1;
}

#endif
