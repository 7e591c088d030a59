/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP gateway: submit jobs, read, follow and cancel them, from any language. docs/http.md says what it answers. Loop thread. */
#ifndef CHARD_GATEWAY_H
#define CHARD_GATEWAY_H

#include "catalog/catalog.h"
#include "core/problem.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct broker;
struct gateway;
struct meter;
struct show;
struct span_source;
struct store;

/* Borrowed as long as the gateway lives. */
struct gateway_config {
        uv_loop_t *loop;
        const struct catalog *catalog;
        const char *broker_urls, *broker_ca_file; /* as in struct broker_config */
        const char *store_url;
        const char *name; /* what broker and store show of it */
        unsigned heartbeat_s, connect_timeout_ms;

        const char *listen;  /* "127.0.0.1:8780"; port 0 = a free one */
        const char *hosts;   /* names that Host may have besides addresses and localhost, comma-separated */
        const char *origins; /* whose pages may use it, comma-separated; or NULL */
        const char *tls_certificate_file, *tls_key_file; /* as in struct server_config */
        const char *log_file;                            /* access log: a file, "-" = standard output, NULL = none */
        unsigned connections;                            /* at once */
        size_t body_most;                                /* bytes */
        size_t upload_most;                              /* of a picture */

        /* As in struct issuer_config; no name: tokens are none. */
        const char *oidc_issuer, *oidc_keys_url, *oidc_audience, *oidc_scope_claim, *oidc_ca_file;

        bool webhooks;        /* the ends of jobs are told to whom their submitters name … */
        bool webhook_private; /* … at addresses of private networks, too */

        struct meter *meter;             /* where its requests are counted; or NULL */
        const struct span_source *spans; /* where their spans go; or NULL */

        void (*stopped)(void *arg); /* gateway_stop has come to its end; not from inside */
        void *arg;
};

/* Connect to broker and store, and listen. Waits up to connect_timeout_ms for each. Returns 0; 1 with `why`, as broker_open, store_open and server_open say it, and source
 * "gateway", code "no_keys" for an address that others can reach; or -errno. */
int gateway_open(struct gateway **out, const struct gateway_config *config, struct problem *why);

/* The port that it listens on. */
unsigned gateway_port(const struct gateway *g);

/* Its doors, for those who watch it; its own. / Does it take what is submitted? If not: why. / What is shown at /metrics and /stats/queues, until gateway_stop has come
 * to its end; NULL: nothing. */
struct store *gateway_store(const struct gateway *g);
struct broker *gateway_broker(const struct gateway *g);
bool gateway_ready(const struct gateway *g, const char **why);
void gateway_show(struct gateway *g, struct show *show);

/* Take no more connections, end streams and long polls, answer what is under way; then `stopped`. */
void gateway_stop(struct gateway *g);

/* Give all back. The loop must turn until it is idle. */
void gateway_close(struct gateway *g);

#endif
