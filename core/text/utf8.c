/* SPDX-License-Identifier: Apache-2.0 */
#include "core/text/utf8.h"

#include <string.h>

/* What may follow a first byte: how many more, and the range of the next one, which keeps out overlong
 * forms, surrogates and what lies above U+10FFFF. */
struct utf8_lead_byte {
        unsigned char first, last;
        unsigned char more, least, most;
};

static const struct utf8_lead_byte LEADS[] = {
        { 0x00, 0x7F, 0, 0x00, 0x00 }, { 0xC2, 0xDF, 1, 0x80, 0xBF }, { 0xE0, 0xE0, 2, 0xA0, 0xBF },
        { 0xE1, 0xEC, 2, 0x80, 0xBF }, { 0xED, 0xED, 2, 0x80, 0x9F }, { 0xEE, 0xEF, 2, 0x80, 0xBF },
        { 0xF0, 0xF0, 3, 0x90, 0xBF }, { 0xF1, 0xF3, 3, 0x80, 0xBF }, { 0xF4, 0xF4, 3, 0x80, 0x8F },
};

static const struct utf8_lead_byte *lead_of(unsigned char first)
{
        for (size_t i = 0; i < sizeof(LEADS) / sizeof(*LEADS); i++)
                if (first >= LEADS[i].first && first <= LEADS[i].last)
                        return &LEADS[i];
        return NULL;
}

bool utf8_next(const char *text, size_t *size)
{
        const unsigned char *at = (const unsigned char *)text;
        const struct utf8_lead_byte *lead = lead_of(*at);
        *size = 1;
        if (!lead)
                return false;
        unsigned char least = lead->least, most = lead->most;
        for (unsigned i = 1; i <= lead->more; i++, least = 0x80, most = 0xBF) {
                if (at[i] < least || at[i] > most) /* the NUL at the end is never in range */
                        return false;
                ++*size;
        }
        return true;
}

static bool begins_character(char byte)
{
        return ((unsigned char)byte & 0xC0) != 0x80;
}

size_t utf8_count(const char *text, size_t size)
{
        size_t count = 0;
        for (size_t i = 0; i < size; i++)
                count += begins_character(text[i]);
        return count;
}

bool utf8_is(const char *text)
{
        for (size_t size; *text; text += size)
                if (!utf8_next(text, &size))
                        return false;
        return true;
}

size_t utf8_prefix(const char *text, size_t most)
{
        size_t size = 0, count = 0;
        for (; text[size]; size++)
                if (begins_character(text[size]) && count++ == most)
                        break;
        return size;
}

size_t utf8_cut(struct bytes text, size_t limit)
{
        if (text.size <= limit)
                return text.size;
        while (limit > 0 && !begins_character((char)text.data[limit]))
                limit--;
        return limit;
}

void utf8_repair(char *text, bool was_cut)
{
        char *to = text;
        for (size_t size; *text; text += size) {
                if (utf8_next(text, &size)) {
                        memmove(to, text, size);
                        to += size;
                } else if (!was_cut || text[size]) {
                        *to++ = '?';
                }
        }
        *to = '\0';
}
