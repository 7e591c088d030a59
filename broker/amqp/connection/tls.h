/* SPDX-License-Identifier: Apache-2.0 */
/* Makes rabbitmq-c's TLS socket check the broker's certificate the way OpenSSL can, and finds the SSL object behind it. */
#ifndef CHARD_BROKER_AMQP_CONNECTION_TLS_H
#define CHARD_BROKER_AMQP_CONNECTION_TLS_H

#include "broker/amqp/connection/link.h"

/* A new TLS socket for l->conn that trusts l->config->ca_file (or the system's authorities) and accepts only a certificate
 * for `host`, a name or an IP address. Once it is open, l->tls is set; when it can't be, l->verify_error may say why.
 * Returns NULL with l->why when the file is unreadable or memory ran out. */
amqp_socket_t *tls_socket_new(struct amqp_link *l, const char *host);

#endif
