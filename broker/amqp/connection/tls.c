/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/amqp/connection/tls.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>

static struct amqp_link *link_of(const SSL *tls)
{
        return SSL_CTX_get_app_data(SSL_get_SSL_CTX(tls));
}

static bool is_ip_address(const char *host)
{
        unsigned char parsed[sizeof(struct in6_addr)];
        return inet_pton(AF_INET, host, parsed) == 1 || inet_pton(AF_INET6, host, parsed) == 1;
}

/* rabbitmq-c keeps its SSL object to itself; OpenSSL shows it here when the handshake starts. */
static void on_handshake(const SSL *tls, int where, int result)
{
        (void)result;
        if (!(where & SSL_CB_HANDSHAKE_START))
                return;
        struct amqp_link *l = link_of(tls);
        l->tls = (SSL *)tls;
        if (!is_ip_address(l->host)) /* rabbitmq-c names what it connects to, which is an address */
                SSL_set_tlsext_host_name(l->tls, l->host);
}

static int on_verified(int ok, X509_STORE_CTX *store)
{
        if (!ok) {
                const SSL *tls = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
                link_of(tls)->verify_error = X509_STORE_CTX_get_error(store);
        }
        return ok;
}

static bool amqp_tls_accept_only(SSL_CTX *context, const char *host)
{
        X509_VERIFY_PARAM *param = SSL_CTX_get0_param(context);
        if (is_ip_address(host))
                return X509_VERIFY_PARAM_set1_ip_asc(param, host);
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        return X509_VERIFY_PARAM_set1_host(param, host, 0);
}

static bool trust(SSL_CTX *context, const char *ca_file)
{
        if (ca_file && *ca_file)
                return SSL_CTX_load_verify_locations(context, ca_file, NULL);
        return SSL_CTX_set_default_verify_paths(context);
}

amqp_socket_t *tls_socket_new(struct amqp_link *l, const char *host)
{
        amqp_socket_t *socket = amqp_ssl_socket_new(l->conn);
        if (!socket) {
                amqp_link_fail(l, "unreachable", "TLS cannot be set up");
                return NULL;
        }
        SSL_CTX *context = amqp_ssl_socket_get_context(socket);
        l->verify_error = X509_V_OK;
        l->host = host;
        SSL_CTX_set_app_data(context, l);
        SSL_CTX_set_info_callback(context, on_handshake);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_verified);
        SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
        /* Our buffer may move between two attempts to write it. */
        SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        /* rabbitmq-c's own check compares with what it connects to; OpenSSL's (accept_only) with the name that was asked for. */
        amqp_ssl_socket_set_verify_hostname(socket, 0);
        if (!trust(context, l->config->ca_file)) {
                amqp_link_fail(l, "unreachable", "no certificates can be read from the CA file %s", l->config->ca_file);
                return NULL;
        }
        if (!amqp_tls_accept_only(context, host)) {
                amqp_link_fail(l, "unreachable", "TLS cannot check the host name %s", host);
                return NULL;
        }
        return socket;
}
