/* SPDX-License-Identifier: Apache-2.0 */
#include "core/http/certificate.h"

#include "core/bytes.h"
#include "core/net/tls.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CERTIFICATE_MOST = 256 * 1024 };

static int certificate_check(const char *chain_file, const char *key_file, struct problem *why)
{
        const struct tls_options options = {
                .on = true, .trust_any = true, .certificate_file = (char *)chain_file, .key_file = (char *)key_file
        };
        struct tls_fault fault;
        SSL_CTX *context = SSL_CTX_new(TLS_server_method());
        if (!context)
                return -ENOMEM;
        const int code = tls_prepare(context, &options, &fault);
        SSL_CTX_free(context);
        return code ? problem_set(why, "http", "bad_certificate", "%s can't be used for TLS: %s",
                                  fault.file == TLS_KEY_FILE ? key_file : chain_file, fault.reason)
                    : 0;
}

static int certificate_load(char **out, const char *name, struct problem *why)
{
        struct buffer text = { 0 };
        FILE *file = fopen(name, "re");
        unsigned char *at = file ? buffer_reserve(&text, CERTIFICATE_MOST + 1) : NULL;
        const size_t size = at ? fread(at, 1, CERTIFICATE_MOST, file) : 0;
        const bool failed = file && ferror(file);
        if (file)
                fclose(file);
        if (at && size > 0 && !failed) {
                at[size] = '\0';
                *out = (char *)text.data;
                return 0;
        }
        buffer_free(&text);
        if (file && !at)
                return -ENOMEM;
        return problem_set(why, "http", "bad_certificate", "%s can't be read", name);
}

int certificate_read(struct certificate *out, const char *chain_file, const char *key_file, struct problem *why)
{
        const bool chain = chain_file && *chain_file, key = key_file && *key_file;
        *out = (struct certificate){ 0 };
        if (!chain && !key)
                return 0;
        if (!chain || !key)
                return problem_set(why, "http", "bad_certificate", "TLS needs both a certificate's file and its key's");
        int code = certificate_check(chain_file, key_file, why);
        if (code == 0)
                code = certificate_load(&out->chain, chain_file, why);
        if (code == 0)
                code = certificate_load(&out->key, key_file, why);
        if (code)
                certificate_free(out);
        return code;
}

void certificate_free(struct certificate *c)
{
        if (c->key)
                OPENSSL_cleanse(c->key, strlen(c->key));
        free(c->chain);
        free(c->key);
        *c = (struct certificate){ 0 };
}
