/* SPDX-License-Identifier: Apache-2.0 */
#include "core/net/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

/* ---- contexts ---- */

static bool is_given(const char *file)
{
        return file && *file;
}

static int tls_file_fails(enum tls_file file, struct tls_fault *fault)
{
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        fault->file = file;
        snprintf(fault->reason, sizeof(fault->reason), "%s", reason ? reason : "it can't be read");
        ERR_clear_error();
        return 1;
}

static int tls_trust(SSL_CTX *context, const struct tls_options *o, struct tls_fault *fault)
{
        if (!is_given(o->ca_file))
                SSL_CTX_set_default_verify_paths(context);
        else if (SSL_CTX_load_verify_locations(context, o->ca_file, NULL) != 1)
                return tls_file_fails(TLS_CA_FILE, fault);
        return 0;
}

static int tls_present(SSL_CTX *context, const struct tls_options *o, struct tls_fault *fault)
{
        if (!is_given(o->certificate_file))
                return 0;
        if (SSL_CTX_use_certificate_chain_file(context, o->certificate_file) != 1)
                return tls_file_fails(TLS_CERTIFICATE_FILE, fault);
        const char *key = is_given(o->key_file) ? o->key_file : o->certificate_file;
        if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
                return tls_file_fails(TLS_KEY_FILE, fault);
        return 0;
}

int tls_prepare(SSL_CTX *context, const struct tls_options *o, struct tls_fault *fault)
{
        SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
        SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_verify(context, o->trust_any ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
        const int rc = tls_trust(context, o, fault);
        return rc ? rc : tls_present(context, o, fault);
}

/* ---- connections ---- */

static bool is_address(const char *host)
{
        unsigned char parsed[sizeof(struct in6_addr)];
        return inet_pton(AF_INET, host, parsed) == 1 || inet_pton(AF_INET6, host, parsed) == 1;
}

bool tls_accept_only(X509_VERIFY_PARAM *param, const char *host)
{
        if (is_address(host))
                return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}

void tls_say_name(SSL *tls, const char *host)
{
        if (!is_address(host))
                SSL_set_tlsext_host_name(tls, host);
}

SSL *tls_new(SSL_CTX *context, const struct tls_options *o, const char *host)
{
        SSL *tls = SSL_new(context);
        if (!tls)
                return NULL;
        tls_say_name(tls, host);
        if (o->trust_any || o->any_name || tls_accept_only(SSL_get0_param(tls), host))
                return tls;
        SSL_free(tls);
        return NULL;
}

const char *tls_why(const SSL *tls, char *out, size_t size)
{
        const long verdict = SSL_get_verify_result(tls);
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        if (verdict != X509_V_OK && SSL_get_verify_mode(tls) != SSL_VERIFY_NONE)
                snprintf(out, size, "its certificate is not accepted: %s", X509_verify_cert_error_string(verdict));
        else
                snprintf(out, size, "TLS: %s", reason ? reason : "it ended the connection");
        ERR_clear_error();
        return out;
}
