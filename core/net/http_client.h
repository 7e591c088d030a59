/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP exchange after the other, each of which its caller waits for; ai/http/ has those that nobody waits for. What all must hold to stands here once: http and
 * https alone, no redirect is followed, no signals, no waiting for a look-up that hangs. Belongs to one thread at a time. */
#ifndef CHARD_CORE_NET_HTTP_CLIENT_H
#define CHARD_CORE_NET_HTTP_CLIENT_H

#include "core/bytes.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_client_config {
        unsigned connect_ms;     /* to connect; 0 = as long as all of it may take */
        unsigned whole_ms;       /* for all of it */
        size_t most;             /* bytes of an answer: one that is larger fails (CURLE_WRITE_ERROR) */
        bool keeps;              /* the answer is kept, rather than thrown away */
        bool by_proxy;           /* over the proxy that the environment names; else over none */
        const char *ca_file;     /* PEM file of the authorities to trust; NULL = the system's */
        const atomic_bool *stop; /* once it is true the exchange fails soon; or NULL */
};

/* Stays where it is until it is closed. */
struct http_client {
        CURL *easy; /* for what only one caller wants */
        struct http_client_config config;
        struct buffer answer; /* of the last exchange */
        size_t read;
        char error[CURL_ERROR_SIZE];
};

/* What is sent, borrowed. */
struct http_body {
        struct bytes content;
        const char *media; /* NULL = application/json */
};

/* How it went. */
struct http_said {
        CURLcode code;
        long status; /* 0 = no answer came */
        uint64_t retry_after_s;
        const char *why; /* when the code is not CURLE_OK; as long as the client does nothing else. No URL is in it */
};

/* 0 or -ENOMEM; also then it may be closed. */
int http_client_open(struct http_client *c, const struct http_client_config *config);

/* "GET", "POST", "PUT", "DELETE" with `body`, or NULL; `more` are further headers, borrowed, or NULL. Blocks. */
struct http_said http_client_exchange(struct http_client *c, const char *method, const char *url,
                                      const struct http_body *body, struct curl_slist *more);

/* A zeroed one is fine. */
void http_client_close(struct http_client *c);

#endif
