/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

static int bad_file(struct problem *why, const char *parameter, const char *file)
{
        const unsigned long error = ERR_peek_last_error();
        const char *reason = ERR_reason_error_string(error);
        problem_set(why, "results", "bad_url", "%s of the Redis result URL, %s, can't be used: %s", parameter, file,
                    reason ? reason : "it can't be read");
        ERR_clear_error();
        return 1;
}

static int present(SSL_CTX *context, const struct redis_tls_options *o, struct problem *why)
{
        const char *key = o->key_file ? o->key_file : o->certificate_file; /* both may stand in one file */
        if (!o->certificate_file)
                return o->key_file ? problem_set(why, "results", "bad_url",
                                                 "the Redis result URL has ssl_keyfile, but no ssl_certfile")
                                   : 0;
        if (SSL_CTX_use_certificate_chain_file(context, o->certificate_file) != 1)
                return bad_file(why, "ssl_certfile", o->certificate_file);
        if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
                return bad_file(why, "ssl_keyfile", key);
        return 0;
}

int redis_tls_context(SSL_CTX **out, const struct redis_tls_options *o, struct problem *why)
{
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        int rc = 0;
        if (!context)
                return -ENOMEM;
        SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
        SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_verify(context, o->trust_any ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
        if (!o->ca_file)
                SSL_CTX_set_default_verify_paths(context);
        else if (SSL_CTX_load_verify_locations(context, o->ca_file, NULL) != 1)
                rc = bad_file(why, "ssl_ca_certs", o->ca_file);
        if (rc == 0)
                rc = present(context, o, why);
        if (rc)
                SSL_CTX_free(context);
        else
                *out = context;
        return rc;
}

/* The certificate must be for that name, or for that address. */
static bool accept_only(SSL *tls, const char *host)
{
        X509_VERIFY_PARAM *param = SSL_get0_param(tls);
        if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
                return true;
        ERR_clear_error();
        return SSL_set1_host(tls, host) == 1;
}

static bool is_address(const char *host)
{
        ASN1_OCTET_STRING *address = a2i_IPADDRESS(host);
        ASN1_OCTET_STRING_free(address);
        ERR_clear_error();
        return address != NULL;
}

SSL *redis_tls_new(SSL_CTX *context, const struct redis_tls_options *o, const char *host)
{
        SSL *tls = SSL_new(context);
        if (!tls)
                return NULL;
        if (!is_address(host))
                SSL_set_tlsext_host_name(tls, host);
        if (o->trust_any || o->any_name || accept_only(tls, host))
                return tls;
        SSL_free(tls);
        return NULL;
}

const char *redis_tls_why(const SSL *tls, char *out, size_t size)
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
