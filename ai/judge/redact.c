/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/judge/redact.h"

#include "core/text/utf8.h"

#include <stdbool.h>
#include <string.h>

enum {
        LOOK_AT = 1024,   /* of the words; masking shortens, so look at more than is kept */
        SHARED_BYTES = 6, /* this many in a row of the key are too many */
};

static const char between_words[] = " \t\r\n\"'`,;()[]{}<>=";

static size_t copy_masked(const char *text, const char *secret, char out[REDACTED_SIZE]);
static bool is_secret(const char *word, size_t size, const char *secret);

void redact_words(struct bytes words, const char *secret, char out[REDACTED_SIZE])
{
        char text[LOOK_AT + 1];
        const size_t size = words.size < LOOK_AT ? words.size : LOOK_AT;
        if (size)
                memcpy(text, words.data, size);
        text[size] = '\0';
        for (char *nul = text; (nul = memchr(nul, '\0', (size_t)(text + size - nul))) != NULL;)
                *nul = ' ';
        out[copy_masked(text, secret, out)] = '\0';
        redact_clean(out);
}

void redact_clean(char *text)
{
        utf8_repair(text, true);
        for (char *at = text; *at; at++)
                if ((unsigned char)*at < 0x20 || *at == 0x7f)
                        *at = ' ';
}

/* Word by word; whatever does not fit any more is left out, so that no half of a masked word gets through. */
static size_t copy_masked(const char *text, const char *secret, char out[REDACTED_SIZE])
{
        size_t used = 0;
        while (*text) {
                const size_t gap = strspn(text, between_words);
                const size_t word = strcspn(text + gap, between_words);
                const bool hide = is_secret(text + gap, word, secret);
                size_t keep = gap < REDACTED_SIZE - 1 - used ? gap : REDACTED_SIZE - 1 - used;
                memcpy(out + used, text, keep);
                used += keep;
                const char *shown = hide ? "***" : text + gap;
                keep = hide ? 3 : word;
                if (keep > REDACTED_SIZE - 1 - used)
                        keep = REDACTED_SIZE - 1 - used;
                memcpy(out + used, shown, keep);
                used += keep;
                text += gap + word;
        }
        return used;
}

static bool redact_holds(const char *word, size_t size, const char *part, size_t part_size)
{
        return part_size > 0 && memmem(word, size, part, part_size) != NULL;
}

static bool is_secret(const char *word, size_t size, const char *secret)
{
        if (redact_holds(word, size, "***", 3) || redact_holds(word, size, "sk-", 3))
                return true;
        const size_t length = secret ? strlen(secret) : 0;
        const size_t part = length < SHARED_BYTES ? length : SHARED_BYTES;
        for (size_t i = 0; part > 0 && i + part <= length; i++)
                if (redact_holds(word, size, secret + i, part))
                        return true;
        return false;
}
