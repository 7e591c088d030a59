/* SPDX-License-Identifier: Apache-2.0 */
#include "core/problem.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void keep_utf8(char *text);

int problem_set(struct problem *p, const char *source, const char *code, const char *format, ...)
{
        if (!p)
                return 1;
        snprintf(p->source, sizeof(p->source), "%s", source);
        snprintf(p->code, sizeof(p->code), "%s", code);
        va_list args;
        va_start(args, format);
        vsnprintf(p->text, sizeof(p->text), format, args);
        va_end(args);
        keep_utf8(p->text);
        return 1;
}

/* How many bytes the UTF-8 character at `c` has, or 0 when there is none (RFC 3629, 4). */
static size_t character_size(const unsigned char *c)
{
        if (c[0] < 0x80)
                return 1;
        size_t size = c[0] >= 0xF0 ? 4 : c[0] >= 0xE0 ? 3 : 2;
        if (c[0] < 0xC2 || c[0] > 0xF4)
                return 0;
        for (size_t i = 1; i < size; i++)
                if ((c[i] & 0xC0) != 0x80)
                        return 0;
        bool overlong = (c[0] == 0xE0 && c[1] < 0xA0) || (c[0] == 0xF0 && c[1] < 0x90);
        bool outside = (c[0] == 0xED && c[1] > 0x9F) || (c[0] == 0xF4 && c[1] > 0x8F);
        return overlong || outside ? 0 : size;
}

/* Quoted texts are cut to fit ("%.60s"), or come from outside: bytes that form no character are left out. */
static void keep_utf8(char *text)
{
        const unsigned char *from = (const unsigned char *)text;
        char *to = text;
        while (*from) {
                size_t size = character_size(from);
                memmove(to, from, size);
                to += size;
                from += size ? size : 1;
        }
        *to = '\0';
}
