/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/tls.h"

#include <errno.h>

static int bad_file(const struct tls_fault *fault, const struct tls_options *o, struct problem *why)
{
        static const char *const names[] = { "ssl_ca_certs", "ssl_certfile", "ssl_keyfile" };
        const char *const files[] = { o->ca_file, o->certificate_file,
                                      o->key_file ? o->key_file : o->certificate_file };
        return problem_set(why, "results", "bad_url", "%s of the Redis result URL, %s, can't be used: %s",
                           names[fault->file], files[fault->file], fault->reason);
}

int redis_tls_context(SSL_CTX **out, const struct tls_options *o, struct problem *why)
{
        struct tls_fault fault;
        if (o->key_file && !o->certificate_file)
                return problem_set(why, "results", "bad_url",
                                   "the Redis result URL has ssl_keyfile, but no ssl_certfile");
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        if (!context)
                return -ENOMEM;
        if (tls_prepare(context, o, &fault) != 0) {
                SSL_CTX_free(context);
                return bad_file(&fault, o, why);
        }
        *out = context;
        return 0;
}
