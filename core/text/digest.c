/* SPDX-License-Identifier: Apache-2.0 */
#include "core/text/digest.h"

#include "core/text/hex.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <string.h>

static bool digest_add(EVP_MD_CTX *c, struct bytes part)
{
        const uint64_t size = part.size;
        return EVP_DigestUpdate(c, &size, sizeof(size)) == 1 &&
               (size == 0 || EVP_DigestUpdate(c, part.data, part.size) == 1);
}

bool digest_of(const struct bytes parts[], size_t count, unsigned char out[DIGEST_SIZE])
{
        EVP_MD_CTX *c = EVP_MD_CTX_new();
        bool ok = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1;
        for (size_t i = 0; i < count && ok; i++)
                ok = digest_add(c, parts[i]);
        ok = ok && EVP_DigestFinal_ex(c, out, NULL) == 1;
        EVP_MD_CTX_free(c);
        if (!ok)
                memset(out, 0, DIGEST_SIZE);
        return ok;
}

bool digest_text(const struct bytes parts[], size_t count, char out[DIGEST_TEXT_SIZE])
{
        unsigned char digest[DIGEST_SIZE];
        const bool ok = digest_of(parts, count, digest);
        *(ok ? hex_write(out, digest, sizeof(digest)) : out) = '\0';
        return ok;
}
