/* SPDX-License-Identifier: Apache-2.0 */
/* TLS towards a server: whom to trust, what to present, whose certificate to accept. */
#ifndef CHARD_CORE_NET_TLS_H
#define CHARD_CORE_NET_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>

/* The files are PEM; NULL or "": the system's authorities; no certificate of our own; the key is in the certificate's file. */
struct tls_options {
        bool on;        /* for whoever has a choice */
        bool trust_any; /* whoever signed it … */
        bool any_name;  /* … or whoever it is for */
        char *ca_file, *certificate_file, *key_file;
};

/* A file that can't be used. */
struct tls_fault {
        enum tls_file { TLS_CA_FILE, TLS_CERTIFICATE_FILE, TLS_KEY_FILE } file;
        char reason[128];
};

/* Prepare a client's context for connections with these options: TLS 1.2 at least; a buffer may move between two attempts to write it. Reads the
 * files. Returns 0; or 1 with `fault`. Any thread. */
int tls_prepare(SSL_CTX *context, const struct tls_options *options, struct tls_fault *fault);

/* Accept only a certificate for this name or address, without partial wildcards. False when memory ran out. */
bool tls_accept_only(X509_VERIFY_PARAM *param, const char *host);

/* Say in the greeting which name is meant; an address is not said. */
void tls_say_name(SSL *tls, const char *host);

/* A connection to that host. NULL when memory ran out. */
SSL *tls_new(SSL_CTX *context, const struct tls_options *options, const char *host);

/* Why the thread's last operation on it failed, in `out`, which is returned. */
const char *tls_why(const SSL *tls, char *out, size_t size);

#endif
