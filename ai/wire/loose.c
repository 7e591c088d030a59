/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/wire/loose.h"

#include "core/text/hex.h"
#include "core/text/utf8.h"

#include <ctype.h>
#include <string.h>

enum { MOST_DIGITS = 15, MOST_EXPONENT_DIGITS = 2, LONGEST_CHARACTER = 4 };

static const char broken[] = "\\u0001";

static bool is_space(unsigned char c)
{
        return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

struct bytes loose_trim(struct bytes text)
{
        if (text.size >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
                text = bytes_of(text.data + 3, text.size - 3);
        while (text.size > 0 && is_space(text.data[0]))
                text = bytes_of(text.data + 1, text.size - 1);
        while (text.size > 0 && is_space(text.data[text.size - 1]))
                text.size--;
        return text;
}

/* ---- strings ---- */

static int loose_hex4(const unsigned char *at, const unsigned char *end)
{
        return end - at < 6 || at[0] != '\\' || at[1] != 'u' ? -1 : hex_four((const char *)at + 2);
}

/* How many bytes of a good escape there are; 0 = it is none. */
static size_t escape_size(const unsigned char *at, const unsigned char *end)
{
        if (end - at >= 2 && at[1] && strchr("\"\\/bfnrt", at[1]))
                return 2;
        const int code = loose_hex4(at, end);
        if (code < 0 || (code >= 0xDC00 && code <= 0xDFFF))
                return 0;
        if (code < 0xD800 || code > 0xDBFF)
                return 6;
        const int low = loose_hex4(at + 6, end);
        return low >= 0xDC00 && low <= 0xDFFF ? 12 : 0;
}

/* utf8_next reads on to the end of a text, which this one has not. */
static size_t character_size(const unsigned char *at, const unsigned char *end)
{
        char copy[LONGEST_CHARACTER + 1] = { 0 };
        size_t size = 0;
        memcpy(copy, at, (size_t)(end - at) < LONGEST_CHARACTER ? (size_t)(end - at) : LONGEST_CHARACTER);
        return utf8_next(copy, &size) ? size : 0;
}

static const unsigned char *repair_character(const unsigned char *at, const unsigned char *end, struct buffer *out)
{
        size_t size = *at == '\\' ? escape_size(at, end) : *at < 0x20 ? 0 : *at < 0x80 ? 1 : character_size(at, end);
        if (size > 0) {
                buffer_add(out, at, size);
                return at + size;
        }
        if (*at < 0x20)
                buffer_addf(out, "\\u%04x", *at ? *at : 1);
        else
                buffer_add_string(out, broken);
        return at + (loose_hex4(at, end) >= 0 ? 6 : 1);
}

/* From its quote on; returns what follows. */
static const unsigned char *repair_string(const unsigned char *at, const unsigned char *end, struct buffer *out)
{
        buffer_add_byte(out, *at++);
        while (at < end && *at != '"')
                at = repair_character(at, end, out);
        if (at < end)
                buffer_add_byte(out, *at++);
        return at;
}

/* ---- what stands outside of strings ---- */

static size_t loose_digits(const unsigned char **at, const unsigned char *end)
{
        const unsigned char *start = *at;
        while (*at < end && isdigit(**at))
                ++*at;
        return (size_t)(*at - start);
}

static bool loose_is_number(const unsigned char *at, const unsigned char *end)
{
        at += at < end && *at == '-';
        const bool zero = at < end && *at == '0';
        size_t count = loose_digits(&at, end);
        if (count == 0 || count > MOST_DIGITS || (zero && count > 1))
                return false;
        if (at < end && *at == '.') {
                at++;
                if (loose_digits(&at, end) == 0)
                        return false;
        }
        if (at < end && (*at | 0x20) == 'e') {
                at++;
                at += at < end && (*at == '-' || *at == '+');
                count = loose_digits(&at, end);
                if (count == 0 || count > MOST_EXPONENT_DIGITS)
                        return false;
        }
        return at == end;
}

static bool is_word(const unsigned char *at, size_t size, const char *word)
{
        return size == strlen(word) && memcmp(at, word, size) == 0;
}

static const unsigned char *repair_bare(const unsigned char *at, const unsigned char *end, struct buffer *out)
{
        const unsigned char *start = at;
        while (at < end && !is_space(*at) && (*at == '\0' || !strchr(",:\"[]{}", *at)))
                at++;
        const size_t size = (size_t)(at - start);
        if (loose_is_number(start, at) || is_word(start, size, "true") || is_word(start, size, "false"))
                buffer_add(out, start, size);
        else
                buffer_add_string(out, "null");
        return at;
}

void loose_repair(struct bytes text, struct buffer *out)
{
        text = loose_trim(text);
        if (text.size == 0)
                return;
        const unsigned char *at = text.data, *end = text.data + text.size;
        while (at < end && !out->failed) {
                if (*at == '"')
                        at = repair_string(at, end, out);
                else if (is_space(*at) || (*at && strchr(",:[]{}", *at)))
                        buffer_add_byte(out, *at++);
                else
                        at = repair_bare(at, end, out);
        }
}
