/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate that is renewed while the server runs: its files are looked at now and then, and once they are others that belong together, connections that begin from then on get
 * the new one. libmicrohttpd takes one certificate for good, but hands out each connection's GnuTLS session before its handshake begins; so the session is given other
 * credentials. Those that went before stay until the server ends, since connections may live as long. */
#include "core/http/server_own.h"
#include "core/log.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

enum { RENEWAL_LOOK_MS = 2000 };

struct renewal {
        struct renewal *before;
        gnutls_certificate_credentials_t credentials;
};

static struct file_identity renewal_identity(const char *name)
{
        struct stat st;
        if (stat(name, &st))
                return (struct file_identity){ 0 };
        return (struct file_identity){ st.st_dev, st.st_ino, st.st_size, st.st_mtim };
}

static bool renewal_is_same(const struct file_identity *a, const struct file_identity *b)
{
        return a->device == b->device && a->inode == b->inode && a->size == b->size &&
               a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Have the files changed since they were looked at last? They are looked at before they are read, so that a change meanwhile is found the next time. */
static bool renewal_is_due(struct server *s)
{
        const struct file_identity chain = renewal_identity(s->config.tls_certificate_file),
                                   key = renewal_identity(s->config.tls_key_file);
        const bool same = renewal_is_same(&chain, &s->chain_seen) && renewal_is_same(&key, &s->key_seen);
        s->chain_seen = chain;
        s->key_seen = key;
        return !same;
}

static struct renewal *renewal_make(const struct certificate *c)
{
        const gnutls_datum_t chain = { (unsigned char *)c->chain, (unsigned)strlen(c->chain) },
                             key = { (unsigned char *)c->key, (unsigned)strlen(c->key) };
        struct renewal *r = calloc(1, sizeof(*r));
        if (!r)
                return NULL;
        if (gnutls_certificate_allocate_credentials(&r->credentials) != GNUTLS_E_SUCCESS) {
                free(r);
                return NULL;
        }
        if (gnutls_certificate_set_x509_key_mem(r->credentials, &chain, &key, GNUTLS_X509_FMT_PEM) < 0) {
                gnutls_certificate_free_credentials(r->credentials);
                free(r);
                return NULL;
        }
        return r;
}

void renewal_open(struct server *s)
{
        if (s->config.tls_certificate_file && s->config.tls_key_file)
                renewal_is_due(s);
}

void renewal_look(struct server *s, uint64_t now_ms)
{
        struct problem why = { 0 };
        struct certificate read;
        if (!s->certificate.key || now_ms < s->renewal_looked_ms + RENEWAL_LOOK_MS)
                return;
        s->renewal_looked_ms = now_ms;
        if (!renewal_is_due(s))
                return;
        const int code = certificate_read(&read, s->config.tls_certificate_file, s->config.tls_key_file, &why);
        struct renewal *r = code ? NULL : renewal_make(&read);
        if (code == 0)
                certificate_free(&read);
        if (!r) {
                if (!s->renewal_failed)
                        log_warn("http", "the certificate was changed but can't be used, the former one stays: %s",
                                 code > 0 ? why.text : "GnuTLS does not take it, or memory ran out");
                s->renewal_failed = true;
                s->chain_seen = (struct file_identity){ 0 }; /* it may have been for want of memory: look again */
                return;
        }
        s->renewal_failed = false;
        r->before = s->renewal;
        s->renewal = r;
        log_info("http", "connections from now on get the certificate that %s has now", s->config.tls_certificate_file);
}

void renewal_use(const struct server *s, struct MHD_Connection *connection)
{
        const union MHD_ConnectionInfo *info =
                s->renewal ? MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION) : NULL;
        if (info && info->tls_session)
                gnutls_credentials_set((gnutls_session_t)info->tls_session, GNUTLS_CRD_CERTIFICATE,
                                       s->renewal->credentials);
}

void renewal_close(struct server *s)
{
        for (struct renewal *r = s->renewal, *before; r; r = before) {
                before = r->before;
                gnutls_certificate_free_credentials(r->credentials);
                free(r);
        }
        s->renewal = NULL;
}
