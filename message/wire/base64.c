/* SPDX-License-Identifier: Apache-2.0 */
#include "message/wire/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct bytes raw, struct buffer *out)
{
        unsigned char *at = buffer_reserve(out, raw.size / 3 * 4 + 4);
        if (!at)
                return;
        size_t written = 0;
        for (size_t i = 0; i < raw.size; i += 3) {
                const size_t left = raw.size - i;
                const unsigned group = (unsigned)raw.data[i] << 16 | (left > 1 ? (unsigned)raw.data[i + 1] << 8 : 0) |
                                       (left > 2 ? raw.data[i + 2] : 0);
                at[written++] = (unsigned char)alphabet[group >> 18];
                at[written++] = (unsigned char)alphabet[group >> 12 & 63];
                at[written++] = left > 1 ? (unsigned char)alphabet[group >> 6 & 63] : '=';
                at[written++] = left > 2 ? (unsigned char)alphabet[group & 63] : '=';
        }
        out->size += written;
}

/* What a letter stands for, or -1. */
static int value_of(unsigned char c)
{
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        if (c == '+')
                return 62;
        return c == '/' ? 63 : -1;
}

/* Four letters into at most three bytes; 0 when they are no group. */
static unsigned decode_group(const unsigned char in[4], unsigned char out[3])
{
        const unsigned size = in[3] != '=' ? 3 : in[2] != '=' ? 2 : 1;
        unsigned group = 0;
        for (unsigned i = 0; i < 4; i++) {
                const int value = i <= size ? value_of(in[i]) : 0;
                if (value < 0)
                        return 0;
                group = group << 6 | (unsigned)value;
        }
        if ((group & (size == 1 ? 0xFFFFu : size == 2 ? 0xFFu : 0)) != 0)
                return 0; /* bits that no encoder sets */
        out[0] = (unsigned char)(group >> 16);
        out[1] = (unsigned char)(group >> 8);
        out[2] = (unsigned char)group;
        return size;
}

int base64_decode(struct bytes text, struct buffer *out)
{
        unsigned char *at = buffer_reserve(out, text.size / 4 * 3 + 3);
        if (!at)
                return 1;
        size_t written = 0, i = 0;
        unsigned size = 3;
        while (i < text.size) {
                if (text.data[i] == '\n' || text.data[i] == '\r') {
                        i++;
                        continue;
                }
                if (size != 3 || text.size - i < 4)
                        return 1; /* more after the padding, or a group cut short */
                size = decode_group(text.data + i, at + written);
                if (size == 0)
                        return 1;
                written += size;
                i += 4;
        }
        out->size += written;
        return 0;
}

/* The other alphabet's letter for one of this, or '\0': it is none. */
static char base64url_letter(unsigned char c)
{
        if (c == '-')
                return '+';
        if (c == '_')
                return '/';
        return c != '+' && c != '/' && value_of(c) >= 0 ? (char)c : '\0';
}

int base64url_decode(struct bytes text, struct buffer *out)
{
        struct buffer standard = { 0 };
        bool ok = true;
        for (size_t i = 0; i < text.size && ok; i++) {
                const char letter = base64url_letter(text.data[i]);
                ok = letter;
                buffer_add_byte(&standard, (unsigned char)letter);
        }
        for (size_t i = text.size; i % 4; i++)
                buffer_add_byte(&standard, '=');
        ok = ok && !standard.failed && base64_decode(buffer_view(&standard), out) == 0;
        out->failed |= standard.failed;
        buffer_free(&standard);
        return !ok;
}
