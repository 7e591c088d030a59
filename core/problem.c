/* SPDX-License-Identifier: Apache-2.0 */
#include "core/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void cut_at_character(char *text);

int problem_set(struct problem *p, const char *source, const char *code, const char *format, ...)
{
        if (!p)
                return 1;
        snprintf(p->source, sizeof(p->source), "%s", source);
        snprintf(p->code, sizeof(p->code), "%s", code);
        va_list args;
        va_start(args, format);
        int size = vsnprintf(p->text, sizeof(p->text), format, args);
        va_end(args);
        if (size >= (int)sizeof(p->text))
                cut_at_character(p->text);
        return 1;
}

/* A text that was cut to fit may end inside a UTF-8 character: drop that character. */
static void cut_at_character(char *text)
{
        size_t end = strlen(text), start = end;
        while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
                start--;
        if (start == 0)
                return;
        unsigned char lead = (unsigned char)text[start - 1];
        size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
        if (end - (start - 1) < wanted)
                text[start - 1] = '\0';
}
