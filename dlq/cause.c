/* SPDX-License-Identifier: Apache-2.0 */
/* What is left of an error message when what differs from entry to entry is taken out, word by word from left to right. A word that might be either stays:
 * two causes in one group hide one of them, two groups of one cause do not. */
#include "core/text/digest.h"
#include "core/text/hex.h"

#include "dlq/letter.h"
#include "dlq/mask.h"

#include <ctype.h>
#include <string.h>

enum { LONGEST_CAUSE = 240, LONGEST_QUOTED_NAME = 60 };

/* The parts add what they make of the text at `at`, and return how many of its bytes that is: 0 = it is none of theirs. */

static void cause_add(struct buffer *out, const char *text, const char *end, bool in_quote);

/* Where a word may begin: ids and numbers inside of names ("gpt-4o", "utf8") are part of them. */
static bool cause_at_word(const char *text, const char *at)
{
        return at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_' || at[-1] == '-');
}

static void cause_mark(struct buffer *out, const char *mark)
{
        buffer_add_string(out, mark);
}

/* ---- quotations ---- */

/* A quotation is data, but for a name ("max_tokens", field "model") and for a vendor's own sentence in an error of JSON ("message": "…"). */
static size_t cause_quote(struct buffer *out, const char *text, const char *at, const char *end)
{
        const struct mask_quote q = mask_quote(text, at, end);
        if (!q.inner)
                return 0;
        if (mask_is_sentence(text, at) || (q.inner_size <= LONGEST_QUOTED_NAME && mask_is_name(text, &q, end))) {
                buffer_add_byte(out, '"');
                cause_add(out, q.inner, q.inner + q.inner_size, true);
                buffer_add_byte(out, '"');
        } else {
                cause_mark(out, "\"…\"");
        }
        return q.size;
}

/* ---- numbers ---- */

/* "1 second" and "2 seconds" are one. */
static size_t cause_unit(struct buffer *out, const char *at, const char *end)
{
        const size_t size = mask_plural_size(at, end);
        if (size > 0)
                buffer_add(out, at, size - 1);
        return size;
}

static size_t cause_number(struct buffer *out, const char *text, const char *at, const char *end)
{
        const size_t size = mask_number(at, end);
        if (size == 0)
                return 0;
        if (mask_is_code(text, at, size, end)) {
                buffer_add(out, at, size);
                return size;
        }
        cause_mark(out, "<n>");
        return size + cause_unit(out, at + size, end);
}

/* ---- all words ---- */

static size_t cause_word(struct buffer *out, const char *text, const char *at, const char *end)
{
        static const struct {
                size_t (*size)(const char *at, const char *end);
                const char *mark;
        } masks[] = {
                { mask_url, "<url>" },   { mask_email, "<email>" }, { mask_time, "<time>" }, { mask_path, "<path>" },
                { mask_file, "<file>" }, { mask_address, "<ip>" },  { mask_id, "<id>" },
        };
        for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
                const size_t size = masks[i].size(at, end);
                if (size > 0) {
                        cause_mark(out, masks[i].mark);
                        return size;
                }
        }
        return cause_number(out, text, at, end);
}

/* A whole character; blanks in a row are one. */
static size_t cause_character(struct buffer *out, const char *text, const char *at, const char *end)
{
        if (isspace((unsigned char)*at)) {
                if (at == text || !isspace((unsigned char)at[-1]))
                        buffer_add_byte(out, ' ');
                return 1;
        }
        size_t size = 1;
        while (at + size < end && ((unsigned char)at[size] & 0xc0) == 0x80)
                size++;
        buffer_add(out, at, size);
        return size;
}

static void cause_add(struct buffer *out, const char *text, const char *end, bool in_quote)
{
        for (const char *at = text; at < end && out->size < LONGEST_CAUSE;) {
                size_t size = in_quote ? 0 : cause_quote(out, text, at, end);
                if (size == 0 && cause_at_word(text, at))
                        size = cause_word(out, text, at, end);
                at += size ? size : cause_character(out, text, at, end);
        }
}

const char *letter_cause(struct arena *a, const char *message)
{
        struct buffer out = { 0 };
        cause_add(&out, message, message + strlen(message), false);
        const char *cause = out.failed ? NULL : arena_copy(a, out.data ? (const void *)out.data : "", out.size);
        buffer_free(&out);
        return cause;
}

bool letter_group(const struct dead_letter *letter, char out[LETTER_GROUP_SIZE])
{
        const struct bytes parts[] = { bytes_of_string(letter->name),         bytes_of_string(letter->queue),
                                       bytes_of_string(letter->error_source), bytes_of_string(letter->error_code),
                                       bytes_of_string(letter->cause),        bytes_of_string(letter->verdict) };
        unsigned char digest[DIGEST_SIZE];
        const size_t known = *letter->verdict ? 0 : 1; /* without one as without the field */
        if (!digest_of(parts, sizeof(parts) / sizeof(parts[0]) - known, digest))
                return false;
        *hex_write(out, digest, LETTER_GROUP_SIZE / 2) = '\0';
        return true;
}
