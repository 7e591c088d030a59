/* SPDX-License-Identifier: Apache-2.0 */
#include "core/text/print.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* C0, DEL, and C1 in UTF-8 (ECMA-48, 8.3). */
void print_plain(FILE *out, const char *text)
{
        for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
                const bool c1 = at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0;
                putc(*at < ' ' || *at == 0x7f || c1 ? ' ' : *at, out);
                at += c1;
        }
}

bool print_colours(FILE *out)
{
        const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
        return isatty(fileno(out)) && !(none && *none) && !(term && strcmp(term, "dumb") == 0);
}
