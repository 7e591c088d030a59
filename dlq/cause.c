/* SPDX-License-Identifier: Apache-2.0 */
#include "dlq/letter.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>

enum { LONGEST_CAUSE = 240, LONGEST_QUOTE = 40, LEAST_HEX = 8 };

/* How many characters from `at` on belong to a URL; 0: none begins there. */
static size_t url_size(const char *at)
{
        static const char *const schemes[] = { "http://", "https://", "data:", "amqp://", "amqps://", "postgresql://" };
        for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
                if (strncmp(at, schemes[i], strlen(schemes[i])) == 0)
                        return strcspn(at, " \t\"'<>)]}");
        return 0;
}

/* An id: hexadecimal digits and dashes, long enough, with a digit among them. */
static size_t id_size(const char *at)
{
        size_t size = 0, digits = 0;
        while (isxdigit((unsigned char)at[size]) ||
               (size > 0 && at[size] == '-' && isxdigit((unsigned char)at[size + 1]))) {
                digits += isdigit((unsigned char)at[size]) != 0;
                size++;
        }
        return size >= LEAST_HEX && digits > 0 && !isalnum((unsigned char)at[size]) && at[size] != '_' ? size : 0;
}

static size_t number_size(const char *at)
{
        size_t size = 0;
        while (isdigit((unsigned char)at[size]) ||
               (size > 0 && at[size] && strchr(".,:", at[size]) && isdigit((unsigned char)at[size + 1])))
                size++;
        return size;
}

/* A quotation of more than a few words is data. */
static size_t quote_size(const char *at)
{
        if (*at != '"')
                return 0;
        const char *end = strchr(at + 1, '"');
        return end && end - at > LONGEST_QUOTE ? (size_t)(end - at) + 1 : 0;
}

/* Where a word may begin: ids and numbers inside of names ("gpt-4o", "utf8") are part of them. */
static bool at_word(const char *text, const char *at)
{
        return at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_' || at[-1] == '-');
}

static const char *mark_at(const char *text, const char *at, size_t *size)
{
        if (!at_word(text, at))
                return NULL;
        if ((*size = quote_size(at)) > 0)
                return "\"…\"";
        if ((*size = url_size(at)) > 0)
                return "<url>";
        if ((*size = id_size(at)) > 0)
                return "<id>";
        if ((*size = number_size(at)) > 0)
                return "<n>";
        return NULL;
}

const char *letter_cause(struct arena *a, const char *message)
{
        struct buffer out = { 0 };
        for (const char *at = message; *at && out.size < LONGEST_CAUSE;) {
                size_t size = 1;
                const char *mark = mark_at(message, at, &size);
                if (mark) {
                        buffer_add_string(&out, mark);
                        at += size;
                        continue;
                }
                do { /* whole characters */
                        buffer_add_byte(&out, (unsigned char)*at++);
                } while (((unsigned char)*at & 0xc0) == 0x80);
        }
        const char *cause = out.failed ? NULL : arena_copy(a, out.data ? (const void *)out.data : "", out.size);
        buffer_free(&out);
        return cause;
}

void letter_group(const struct dead_letter *letter, char out[LETTER_GROUP_SIZE])
{
        const char *const parts[] = { letter->name, letter->queue, letter->error_source, letter->error_code,
                                      letter->cause };
        unsigned char digest[EVP_MAX_MD_SIZE];
        EVP_MD_CTX *c = EVP_MD_CTX_new();
        unsigned size = 0;
        memset(digest, 0, sizeof(digest));
        if (c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1) {
                for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
                        EVP_DigestUpdate(c, parts[i], strlen(parts[i]) + 1);
                EVP_DigestFinal_ex(c, digest, &size);
        }
        EVP_MD_CTX_free(c);
        for (size_t i = 0; i < LETTER_GROUP_SIZE / 2; i++)
                snprintf(out + 2 * i, 3, "%02x", digest[i]);
}
