/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as hex digits, for programs of the tests that print them, or are given them, as text. */
#ifndef CHARD_TESTS_HEX_H
#define CHARD_TESTS_HEX_H

#include "core/bytes.h"

#include <jansson.h>
#include <stdlib.h>

/* A new string of two digits a byte. */
static inline json_t *hex(struct bytes b)
{
        struct buffer text = { 0 };
        for (size_t i = 0; i < b.size; i++)
                buffer_addf(&text, "%02x", b.data[i]);
        json_t *value = json_stringn(text.size ? (const char *)text.data : "", text.size);
        buffer_free(&text);
        return value;
}

/* Append the bytes that `text` spells; spaces between them are passed over. */
static inline void unhex(const char *text, struct buffer *out)
{
        for (; text[0] && text[1]; text += *text == ' ' ? 1 : 2) {
                const char two[3] = { text[0], text[1], 0 };
                if (*text != ' ')
                        buffer_add_byte(out, (unsigned char)strtoul(two, NULL, 16));
        }
}

#endif
