/* SPDX-License-Identifier: Apache-2.0 */
/* What TLS to a Redis asks for and presents, under the names that Celery's URLs have for it. */
#ifndef CHARD_RESULTS_REDIS_TLS_H
#define CHARD_RESULTS_REDIS_TLS_H

#include "core/problem.h"

#include <openssl/ssl.h>
#include <stdbool.h>

/* ssl_cert_reqs, ssl_check_hostname, ssl_ca_certs, ssl_certfile, ssl_keyfile. The files are PEM, owned, or NULL. */
struct redis_tls_options {
        bool on, trust_any, any_name;
        char *ca_file, *certificate_file, *key_file;
};

/* Read the files. 0 and a context for all connections (SSL_CTX_free); 1 with `why` when one can't be used; or -ENOMEM. */
int redis_tls_context(SSL_CTX **out, const struct redis_tls_options *options, struct problem *why);

/* A new connection's own, for the server of that name or address. NULL when memory ran out. */
SSL *redis_tls_new(SSL_CTX *context, const struct redis_tls_options *options, const char *host);

/* Why the last operation failed, in `out`. */
const char *redis_tls_why(const SSL *tls, char *out, size_t size);

#endif
