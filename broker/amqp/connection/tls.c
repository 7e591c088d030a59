/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/amqp/connection/tls.h"

#include "core/net/tls.h"

static struct amqp_link *link_of(const SSL *tls)
{
        return SSL_CTX_get_app_data(SSL_get_SSL_CTX(tls));
}

/* rabbitmq-c keeps its SSL object to itself; OpenSSL shows it here when the handshake starts. */
static void on_handshake(const SSL *tls, int where, int result)
{
        (void)result;
        if (!(where & SSL_CB_HANDSHAKE_START))
                return;
        struct amqp_link *l = link_of(tls);
        l->tls = (SSL *)tls;
        tls_say_name(l->tls, l->host); /* rabbitmq-c names what it connects to, which is an address */
}

static int on_verified(int ok, X509_STORE_CTX *store)
{
        if (!ok) {
                const SSL *tls = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
                link_of(tls)->verify_error = X509_STORE_CTX_get_error(store);
        }
        return ok;
}

amqp_socket_t *tls_socket_new(struct amqp_link *l, const char *host)
{
        amqp_socket_t *socket = amqp_ssl_socket_new(l->conn);
        if (!socket) {
                amqp_link_fail(l, "unreachable", "TLS cannot be set up");
                return NULL;
        }
        SSL_CTX *context = amqp_ssl_socket_get_context(socket);
        const struct tls_options options = { .ca_file = (char *)(uintptr_t)l->config->ca_file };
        struct tls_fault fault;
        l->verify_error = X509_V_OK;
        l->host = host;
        SSL_CTX_set_app_data(context, l);
        SSL_CTX_set_info_callback(context, on_handshake);
        /* rabbitmq-c's own check compares with what it connects to; OpenSSL's (accept_only) with the name that was asked for. */
        amqp_ssl_socket_set_verify_hostname(socket, 0);
        if (tls_prepare(context, &options, &fault) != 0) {
                amqp_link_fail(l, "unreachable", "no certificates can be read from the CA file %s", l->config->ca_file);
                return NULL;
        }
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_verified);
        if (!tls_accept_only(SSL_CTX_get0_param(context), host)) {
                amqp_link_fail(l, "unreachable", "TLS cannot check the host name %s", host);
                return NULL;
        }
        return socket;
}
