/* SPDX-License-Identifier: Apache-2.0 */
#include "core/nearest.h"

#include <string.h>

enum { LONGEST = 64 };

static size_t smaller(size_t a, size_t b)
{
        return a < b ? a : b;
}

/* Optimal string alignment distance; both texts shorter than LONGEST. */
static size_t edits(const char *a, const char *b)
{
        size_t rows[3][LONGEST + 1];
        const size_t width = strlen(b);
        size_t *before = rows[0], *last = rows[1], *now = rows[2];
        for (size_t j = 0; j <= width; j++)
                last[j] = j;
        for (size_t i = 1; a[i - 1]; i++) {
                now[0] = i;
                for (size_t j = 1; j <= width; j++) {
                        const size_t change = a[i - 1] != b[j - 1];
                        now[j] = smaller(smaller(last[j] + 1, now[j - 1] + 1), last[j - 1] + change);
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                                now[j] = smaller(now[j], before[j - 2] + 1);
                }
                size_t *spare = before;
                before = last;
                last = now;
                now = spare;
        }
        return last[width];
}

const char *nearest_name(const char *typed, const char *const names[], size_t count)
{
        const char *best = NULL;
        const size_t length = strlen(typed);
        if (length >= LONGEST)
                return NULL;
        size_t fewest = length / 3 + 1;
        for (size_t i = 0; i < count; i++) {
                if (strlen(names[i]) >= LONGEST)
                        continue;
                const size_t n = edits(typed, names[i]);
                if (n < fewest || (n == fewest && !best && length > 3)) {
                        fewest = n;
                        best = names[i];
                }
        }
        return best;
}
