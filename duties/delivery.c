/* SPDX-License-Identifier: Apache-2.0 */
#include "duties/delivery.h"

#include "core/bytes.h"
#include "core/net/http_client.h"
#include "core/net/reach.h"
#include "core/text/url.h"
#include "message/wire/base64.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DELIVERY_TIMEOUT_MS = 15000, DELIVERY_CONNECT_MS = 5000, DELIVERY_REPLY_MOST = 64 * 1024 };

#define DELIVERY_PREFIX      "whsec_"
#define DELIVERY_ASKED_MOST  ((uint64_t)24 * 3600 * 1000)
#define DELIVERY_SEPARATIONS " ,\t\r\n"

/* ---- secrets and signatures ---- */

static int delivery_secret_read(struct delivery_secret *out, struct bytes text, struct problem *why)
{
        struct buffer raw = { 0 };
        const size_t prefix = sizeof(DELIVERY_PREFIX) - 1;
        const bool named = text.size > prefix && memcmp(text.data, DELIVERY_PREFIX, prefix) == 0;
        const bool read = named && base64_decode(bytes_of(text.data + prefix, text.size - prefix), &raw) == 0;
        const bool fits = read && raw.size >= DELIVERY_SECRET_LEAST && raw.size <= DELIVERY_SECRET_MOST;
        const bool starved = raw.failed;
        if (fits && !starved) {
                out->size = raw.size;
                memcpy(out->key, raw.data, raw.size);
        }
        buffer_free(&raw);
        if (starved)
                return -ENOMEM;
        return fits ? 0
                    : problem_set(
                              why, "settings", "bad_setting",
                              "CHARD_WEBHOOK_SECRET must be \"whsec_\" and the base64 of %d to %d random bytes (it is not shown "
                              "here, because it is a secret)",
                              DELIVERY_SECRET_LEAST, DELIVERY_SECRET_MOST);
}

int delivery_secrets_read(struct delivery_secrets *out, const char *text, struct problem *why)
{
        *out = (struct delivery_secrets){ 0 };
        for (;;) {
                text += strspn(text, DELIVERY_SEPARATIONS);
                const size_t size = strcspn(text, DELIVERY_SEPARATIONS);
                if (size == 0)
                        return 0;
                if (out->count == DELIVERY_MOST_SECRETS)
                        return problem_set(why, "settings", "bad_setting",
                                           "CHARD_WEBHOOK_SECRET has more than %d secrets", DELIVERY_MOST_SECRETS);
                const int code = delivery_secret_read(&out->list[out->count], bytes_of(text, size), why);
                if (code)
                        return code;
                out->count++;
                text += size;
        }
}

static void delivery_sign_with(const struct delivery_secret *secret, struct bytes content, struct buffer *out)
{
        unsigned char mac[EVP_MAX_MD_SIZE];
        unsigned size = 0;
        if (!HMAC(EVP_sha256(), secret->key, (int)secret->size, content.data, content.size, mac, &size)) {
                out->failed = true;
                return;
        }
        buffer_add_string(out, out->size ? " v1," : "v1,");
        base64_encode(bytes_of(mac, size), out);
}

bool delivery_sign(const struct delivery_secrets *secrets, const char *id, int64_t timestamp_s, const char *body,
                   char out[DELIVERY_SIGNATURES_SIZE])
{
        struct buffer content = { 0 }, signatures = { 0 };
        buffer_addf(&content, "%s.%lld.", id, (long long)timestamp_s);
        buffer_add_string(&content, body);
        for (size_t i = 0; i < secrets->count && !content.failed; i++)
                delivery_sign_with(&secrets->list[i], buffer_view(&content), &signatures);
        buffer_add_byte(&signatures, '\0');
        const bool ok = !content.failed && !signatures.failed && signatures.size <= DELIVERY_SIGNATURES_SIZE;
        *out = '\0';
        if (ok)
                memcpy(out, signatures.data, signatures.size);
        buffer_free(&content);
        buffer_free(&signatures);
        return ok;
}

/* ---- when again ---- */

/* As Standard Webhooks suggests: some three days in all. A tenth more or less, so that those that failed together do not come together. */
int64_t delivery_wait_ms(unsigned attempts, uint64_t asked_ms, uint64_t random)
{
        static const uint32_t waits_s[] = { 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400 };
        if (attempts > sizeof(waits_s) / sizeof(waits_s[0]))
                return -1;
        const uint64_t wait_ms = (uint64_t)waits_s[attempts ? attempts - 1 : 0] * 1000;
        const uint64_t spread_ms = wait_ms * 9 / 10 + random % (wait_ms / 5);
        const uint64_t asked = asked_ms < DELIVERY_ASKED_MOST ? asked_ms : DELIVERY_ASKED_MOST;
        return (int64_t)(spread_ms > asked ? spread_ms : asked);
}

/* ---- where to ---- */

static const char *delivery_refusal(const struct url *u, bool private_allowed)
{
        bool is_address;
        const bool https = strcasecmp(u->scheme, "https") == 0;
        if (!https && !(private_allowed && strcasecmp(u->scheme, "http") == 0))
                return private_allowed ? "it must begin with https:// or http://" : "it must begin with https://";
        if (!u->host)
                return "it must name a host";
        if (u->user || u->password)
                return "it must name no user";
        const bool is_public = address_text_is_public(u->host, &is_address);
        if (!private_allowed && (is_address ? !is_public : strcasecmp(u->host, "localhost") == 0))
                return "it must not be an address of a private network, unless CHARD_WEBHOOK_PRIVATE says so";
        return NULL;
}

static bool delivery_url_is_plain(const char *url)
{
        for (const char *at = url; *at; at++)
                if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7F)
                        return false;
        return strlen(url) <= DELIVERY_URL_MOST;
}

int delivery_check_url(const char *url, bool private_allowed, struct problem *why)
{
        struct url u;
        if (!delivery_url_is_plain(url))
                return problem_set(
                        why, "request", "bad_webhook",
                        "no job's end can be told there: it must be a URL of %d visible ASCII characters at most",
                        DELIVERY_URL_MOST);
        const int code = url_read(url, &u);
        if (code < 0)
                return code;
        const char *refusal = code ? "it is no URL" : delivery_refusal(&u, private_allowed);
        if (code == 0)
                url_free(&u);
        return refusal ? problem_set(why, "request", "bad_webhook", "no job's end can be told there: %s", refusal) : 0;
}

/* ---- posting ---- */

struct delivery_post_state {
        const struct delivery_note *delivery;
        bool refused; /* the name leads to a private address */
};

/* Looks at the very address that is connected to: a name that leads elsewhere by now is of no use. */
static curl_socket_t delivery_on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
        struct delivery_post_state *p = (struct delivery_post_state *)arg;
        if (purpose != CURLSOCKTYPE_IPCXN || (!p->delivery->private_allowed && !address_is_public(&to->addr))) {
                p->refused = true;
                return CURL_SOCKET_BAD;
        }
        return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static bool delivery_header(struct curl_slist **list, const char *name, const char *value)
{
        struct buffer line = { 0 };
        buffer_addf(&line, "%s: %s", name, value);
        buffer_add_byte(&line, '\0');
        struct curl_slist *longer = line.failed ? NULL : curl_slist_append(*list, (const char *)line.data);
        buffer_free(&line);
        *list = longer ? longer : *list;
        return longer;
}

static struct curl_slist *delivery_headers(const struct delivery_note *d)
{
        char timestamp[24];
        struct curl_slist *list = NULL;
        snprintf(timestamp, sizeof(timestamp), "%lld", (long long)d->timestamp_s);
        if (delivery_header(&list, "webhook-id", d->id) && delivery_header(&list, "webhook-timestamp", timestamp) &&
            delivery_header(&list, "webhook-signature", d->signature) &&
            (!d->traceparent || delivery_header(&list, "traceparent", d->traceparent)))
                return list;
        curl_slist_free_all(list);
        return NULL;
}

static void delivery_judge(const struct http_said *said, const struct delivery_post_state *p,
                           struct delivery_result *out)
{
        const bool taken = said->status >= 200 && said->status < 300;
        out->status = said->status > 0 ? (unsigned)said->status : 0;
        out->ok = taken && (said->code == CURLE_OK || said->code == CURLE_WRITE_ERROR);
        out->gone = said->status == 410;
        out->wait_ms = said->retry_after_s * 1000;
        if (p->refused)
                snprintf(
                        out->why, sizeof(out->why),
                        "its name leads to an address of a private network, which CHARD_WEBHOOK_PRIVATE does not allow");
        else if (!out->ok && !taken && said->status)
                snprintf(out->why, sizeof(out->why), "it answered %ld", said->status);
        else if (!out->ok)
                snprintf(out->why, sizeof(out->why), "%.190s", said->why);
}

void delivery_post(const struct delivery_note *d, struct delivery_result *out)
{
        const struct http_client_config config = { .connect_ms = DELIVERY_CONNECT_MS,
                                                   .whole_ms = DELIVERY_TIMEOUT_MS,
                                                   .most = DELIVERY_REPLY_MOST,
                                                   .stop = d->stop };
        struct delivery_post_state p = { .delivery = d };
        struct http_client client;
        *out = (struct delivery_result){ 0 };
        struct curl_slist *headers = delivery_headers(d);
        if (http_client_open(&client, &config) < 0 || !headers) {
                snprintf(out->why, sizeof(out->why), "out of memory");
        } else {
                curl_easy_setopt(client.easy, CURLOPT_OPENSOCKETFUNCTION, delivery_on_socket);
                curl_easy_setopt(client.easy, CURLOPT_OPENSOCKETDATA, &p);
                const struct http_said said = http_client_exchange(
                        &client, "POST", d->url, &(struct http_body){ bytes_of_string(d->body), NULL }, headers);
                delivery_judge(&said, &p, out);
        }
        curl_slist_free_all(headers);
        http_client_close(&client);
}
