/* SPDX-License-Identifier: Apache-2.0 */
#include "core/text/blob_url.h"

#include "core/text/hex.h"

#include <openssl/evp.h>

static const char blob_scheme[] = "blob:sha256:";

bool blob_url_is(const char *text)
{
        return strncmp(text, "blob:", 5) == 0;
}

const char *blob_url_digest(const char *text)
{
        const size_t size = sizeof(blob_scheme) - 1;
        const char *digest = strncmp(text, blob_scheme, size) == 0 ? text + size : NULL;
        return digest && strlen(digest) == BLOB_DIGEST_SIZE - 1 &&
                               strspn(digest, "0123456789abcdef") == BLOB_DIGEST_SIZE - 1
                       ? digest
                       : NULL;
}

bool blob_url_of(struct bytes content, char out[BLOB_URL_SIZE])
{
        unsigned char digest[32];
        EVP_MD_CTX *c = EVP_MD_CTX_new();
        const bool made = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1 &&
                          EVP_DigestUpdate(c, content.data, content.size) == 1 &&
                          EVP_DigestFinal_ex(c, digest, NULL) == 1;
        EVP_MD_CTX_free(c);
        memcpy(out, blob_scheme, sizeof(blob_scheme));
        *(made ? hex_write(out + sizeof(blob_scheme) - 1, digest, sizeof(digest)) : out) = '\0';
        return made;
}
