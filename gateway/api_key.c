/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/api_key.h"

#include "core/id.h"
#include "core/text/hex.h"

#include <openssl/crypto.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { API_KEY_PREFIX = sizeof("chard_") - 1, API_KEY_ID = API_KEY_ID_SIZE - 1, API_KEY_SECRET_WORDS = 4 };

static const char *const api_scope_names[] = { "submit", "read", "operate", "admin" };

enum { API_SCOPES = sizeof(api_scope_names) / sizeof(api_scope_names[0]) };

bool api_key_digest(const char *key, char digest[DIGEST_TEXT_SIZE])
{
        const struct bytes part = bytes_of_string(key);
        return digest_text(&part, 1, digest);
}

bool api_key_new(char key[API_KEY_SIZE], char id[API_KEY_ID_SIZE], char digest[DIGEST_TEXT_SIZE])
{
        uint64_t words[1 + API_KEY_SECRET_WORDS] = { 0 };
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                words[i] = random_bits();
        *hex_write(id, (const unsigned char *)words, API_KEY_ID / 2) = '\0';
        char *at = key + sprintf(key, "chard_%s_", id);
        *hex_write(at, (const unsigned char *)&words[1], sizeof(words) - sizeof(words[0])) = '\0';
        return api_key_digest(key, digest);
}

static bool api_key_is(const char *text)
{
        static const char digits[] = "0123456789abcdef";
        const char *secret = text + API_KEY_PREFIX + API_KEY_ID + 1;
        return strlen(text) == API_KEY_SIZE - 1 && strncmp(text, "chard_", API_KEY_PREFIX) == 0 &&
               strspn(text + API_KEY_PREFIX, digits) == API_KEY_ID && secret[-1] == '_' &&
               !secret[strspn(secret, digits)];
}

int api_key_read(const char *authorization, char key[API_KEY_SIZE], char id[API_KEY_ID_SIZE], struct problem *why)
{
        *key = *id = '\0';
        if (!authorization)
                return problem_set(why, "request", "no_key",
                                   "this gateway asks for a key: send the header \"Authorization: Bearer KEY\"; "
                                   "whoever runs it makes one with: chard key add NAME");
        const char *text = strncasecmp(authorization, "Bearer ", 7) == 0 ? authorization + 7 : "";
        text += strspn(text, " ");
        if (!api_key_is(text))
                return problem_set(
                        why, "request", "wrong_key",
                        "the header Authorization must be \"Bearer KEY\" with a key as `chard key add` printed it");
        snprintf(key, API_KEY_SIZE, "%s", text);
        snprintf(id, API_KEY_ID_SIZE, "%s", text + API_KEY_PREFIX);
        return 0;
}

bool api_key_same(const char one[DIGEST_TEXT_SIZE], const char other[DIGEST_TEXT_SIZE])
{
        return *one && CRYPTO_memcmp(one, other, DIGEST_TEXT_SIZE) == 0;
}

/* ---- scopes ---- */

unsigned api_scope_of(const char *name, size_t size)
{
        for (unsigned i = 0; i < API_SCOPES; i++)
                if (strlen(api_scope_names[i]) == size && strncmp(api_scope_names[i], name, size) == 0)
                        return 1U << i;
        return 0;
}

unsigned api_scopes_read(const char *text)
{
        unsigned scopes = 0;
        while (*(text += strspn(text, ", "))) {
                const size_t size = strcspn(text, ", ");
                const unsigned one = api_scope_of(text, size);
                if (!one)
                        return 0;
                scopes |= one;
                text += size;
        }
        return scopes;
}

void api_scopes_write(unsigned scopes, char out[API_SCOPES_SIZE])
{
        char *at = out;
        *at = '\0';
        for (unsigned i = 0; i < API_SCOPES; i++)
                if (scopes & 1U << i)
                        at += sprintf(at, "%s%s", at == out ? "" : ",", api_scope_names[i]);
}

bool api_scopes_allow(unsigned scopes, unsigned needed)
{
        return !needed || (scopes & (needed | API_ADMIN)) != 0;
}
