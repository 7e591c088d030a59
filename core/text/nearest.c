/* SPDX-License-Identifier: Apache-2.0 */
#include "core/text/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { LONGEST = 64, LEAST_PART = 3 };

static size_t nearest_smaller(size_t a, size_t b)
{
        return a < b ? a : b;
}

static bool nearest_same(char a, char b)
{
        return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Optimal string alignment distance; both texts shorter than LONGEST. */
static size_t nearest_edits(const char *a, const char *b)
{
        size_t rows[3][LONGEST + 1];
        const size_t width = strlen(b);
        size_t *before = rows[0], *last = rows[1], *now = rows[2];
        for (size_t j = 0; j <= width; j++)
                last[j] = j;
        for (size_t i = 1; a[i - 1]; i++) {
                now[0] = i;
                for (size_t j = 1; j <= width; j++) {
                        const size_t change = nearest_same(a[i - 1], b[j - 1]) ? 0 : 1;
                        now[j] = nearest_smaller(nearest_smaller(last[j] + 1, now[j - 1] + 1), last[j - 1] + change);
                        if (i > 1 && j > 1 && nearest_same(a[i - 1], b[j - 2]) && nearest_same(a[i - 2], b[j - 1]))
                                now[j] = nearest_smaller(now[j], before[j - 2] + 1);
                }
                size_t *spare = before;
                before = last;
                last = now;
                now = spare;
        }
        return last[width];
}

static bool nearest_ends_word(char c)
{
        return c != '\0' && strchr("-_.", c) != NULL;
}

/* How much of `typed` is only the mark that most names bear ("--", "CHARD_"): it must not make two words alike. */
static size_t mark_of(const char *typed, const char *const names[], size_t count)
{
        size_t mark = 0;
        for (size_t size = 1; typed[size - 1]; size++) {
                size_t shared = 0;
                for (size_t i = 0; nearest_ends_word(typed[size - 1]) && i < count; i++)
                        shared += strncmp(typed, names[i], size) == 0;
                if (2 * shared > count)
                        mark = size;
        }
        return mark;
}

/* `part` is the first or the last words of `whole`. */
static bool is_part(const char *part, const char *whole)
{
        const size_t size = strlen(part), all = strlen(whole);
        if (size < LEAST_PART || size >= all)
                return false;
        return (nearest_ends_word(whole[size]) && strncasecmp(whole, part, size) == 0) ||
               (nearest_ends_word(whole[all - size - 1]) && strcasecmp(whole + all - size, part) == 0);
}

const char *nearest_name(const char *typed, const char *const names[], size_t count)
{
        const char *best = NULL;
        const size_t length = strlen(typed);
        if (length >= LONGEST)
                return NULL;
        const size_t mark = mark_of(typed, names, count);
        size_t fewest = (length - mark) / 3 + 1; /* and one more is too many */
        for (size_t i = 0; i < count; i++) {
                if (!*names[i] || strlen(names[i]) >= LONGEST)
                        continue;
                size_t n = nearest_edits(typed, names[i]);
                if (length - mark >= LEAST_PART &&
                    (is_part(typed, names[i]) || is_part(typed + mark, names[i]) || is_part(names[i], typed)))
                        n = nearest_smaller(n, 1);
                if (n < fewest) {
                        fewest = n;
                        best = names[i];
                }
        }
        return best;
}

const char *nearest_offer(char out[NEAREST_OFFER_SIZE], const char *typed, const char *const names[], size_t count,
                          const char *otherwise)
{
        const char *near = nearest_name(typed, names, count);
        snprintf(out, NEAREST_OFFER_SIZE, near ? "; did you mean \"%s\"?" : "%s", near ? near : otherwise);
        return out;
}
