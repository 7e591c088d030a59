/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/http/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char path_end[] = "/chat/completions";

static bool can_speak_http2_plain(void);
static int make_url(struct endpoint *e, const char *base, struct problem *why);
static int make_headers(struct endpoint *e, const char *key, struct problem *why);
static void free_key(struct endpoint_key *k);

int endpoint_open(struct endpoint *e, const struct ai_config *config, struct problem *why)
{
        const char *base = config->base_url && *config->base_url ? config->base_url : ENDPOINT_DEFAULT;
        memset(e, 0, sizeof(*e));
        e->http2_plain = config->http2_plain;
        e->baggage = config->baggage;
        if (config->http2_plain && !can_speak_http2_plain())
                return problem_set(
                        why, "settings", "bad_setting",
                        "CHARD_AI_HTTP2_PLAIN needs libcurl 8.0 or later, this is %s: it cannot use a connection twice so",
                        curl_version_info(CURLVERSION_NOW)->version);
        const int result = make_url(e, base, why);
        return result != 0 ? result : make_headers(e, config->api_key, why);
}

int endpoint_apply(const struct endpoint *e, CURL *easy)
{
        const long version = e->tls           ? CURL_HTTP_VERSION_2TLS
                             : e->http2_plain ? CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
                                              : CURL_HTTP_VERSION_1_1;
        const char *authorities = getenv("SSL_CERT_FILE"); /* as OpenSSL's own programs and the SDKs take it */
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version);
        /* With HTTP/2, wait for a connection that is being made rather than make one for each exchange. */
        curl_easy_setopt(easy, CURLOPT_PIPEWAIT, (long)(version != CURL_HTTP_VERSION_1_1));
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
        curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, ""); /* not asked for (see the headers), but read */
        CURLcode code = curl_easy_setopt(easy, CURLOPT_CURLU, e->parsed);
        if (code == CURLE_OK && !e->proxied) /* spares curl the look into the environment for each exchange */
                code = curl_easy_setopt(easy, CURLOPT_PROXY, "");
        if (code == CURLE_OK && e->tls && authorities && *authorities)
                code = curl_easy_setopt(easy, CURLOPT_CAINFO, authorities);
        if (code == CURLE_OK)
                code = curl_easy_setopt(easy, CURLOPT_USERAGENT, "chard/" CHARD_VERSION);
        return code == CURLE_OK ? 0 : -ENOMEM;
}

void endpoint_close(struct endpoint *e)
{
        curl_free(e->url);
        curl_url_cleanup(e->parsed);
        for (struct endpoint_key *k; (k = e->key) != NULL;) {
                e->key = k->earlier;
                free_key(k);
        }
        memset(e, 0, sizeof(*e));
}

/* libcurl 7.88, Debian 12's, fails the second exchange over such a connection: curl issue 10634, mended in 8.0. */
static bool can_speak_http2_plain(void)
{
        const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
        return curl->version_num >= 0x080000 && (curl->features & CURL_VERSION_HTTP2);
}

static bool is_literal(const char *host)
{
        unsigned char address[sizeof(struct in6_addr)];
        return *host == '[' || strcmp(host, "localhost") == 0 || inet_pton(AF_INET, host, address) == 1;
}

/* As curl looks for a proxy; the upper-case HTTP_PROXY is left out because a CGI server sets it from a request's header. */
static bool is_proxied(bool tls)
{
        static const char *const names[] = { "all_proxy", "ALL_PROXY", "http_proxy", "https_proxy", "HTTPS_PROXY" };
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                const char *value = getenv(names[i]);
                if (value && *value && (i < 2 || (i > 2) == tls))
                        return true;
        }
        return false;
}

/* Take the URL apart, lengthen its path, and put it together again. */
static CURLUcode build_url(struct endpoint *e, const char *base)
{
        CURLU *url = e->parsed;
        char *host = NULL, *path = NULL, *scheme = NULL;
        CURLUcode code = curl_url_set(url, CURLUPART_URL, base, 0);
        if (code == CURLUE_OK)
                code = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0);
        if (code == CURLUE_OK && strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
                code = CURLUE_UNSUPPORTED_SCHEME;
        if (code == CURLUE_OK)
                code = curl_url_get(url, CURLUPART_HOST, &host, 0);
        if (code == CURLUE_OK)
                code = curl_url_get(url, CURLUPART_PATH, &path, 0);
        if (code == CURLUE_OK) {
                e->literal = is_literal(host);
                e->tls = strcmp(scheme, "https") == 0;
                e->proxied = is_proxied(e->tls);
                size_t size = strlen(path);
                while (size > 0 && path[size - 1] == '/')
                        size--;
                char longer[size + sizeof(path_end)];
                memcpy(longer, path, size);
                memcpy(longer + size, path_end, sizeof(path_end));
                code = curl_url_set(url, CURLUPART_PATH, longer, 0);
        }
        if (code == CURLUE_OK)
                code = curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
        if (code == CURLUE_OK)
                code = curl_url_get(url, CURLUPART_URL, &e->url, 0);
        curl_free(scheme);
        curl_free(host);
        curl_free(path);
        return code;
}

static int make_url(struct endpoint *e, const char *base, struct problem *why)
{
        e->parsed = curl_url();
        if (!e->parsed)
                return -ENOMEM;
        const CURLUcode code = build_url(e, base);
        if (code == CURLUE_OUT_OF_MEMORY)
                return -ENOMEM;
        if (code != CURLUE_OK)
                return problem_set(why, "settings", "bad_setting", "OPENAI_BASE_URL is no http or https URL: %s",
                                   curl_url_strerror(code));
        return 0;
}

static void free_key(struct endpoint_key *k)
{
        curl_slist_free_all(k->headers);
        if (k->secret)
                explicit_bzero(k->secret, strlen(k->secret));
        free(k->secret);
        free(k);
}

static int add_header(struct endpoint_key *k, const char *line)
{
        struct curl_slist *longer = curl_slist_append(k->headers, line);
        if (longer)
                k->headers = longer;
        return longer ? 0 : -ENOMEM;
}

static int add_key(struct endpoint_key *k, const char *key)
{
        char *line = NULL;
        k->secret = strdup(key);
        if (!k->secret || asprintf(&line, "Authorization: Bearer %s", key) < 0)
                return -ENOMEM;
        const int result = add_header(k, line);
        explicit_bzero(line, strlen(line));
        free(line);
        return result;
}

/* "Expect:" = no waiting for "100 Continue" before a large body; "Accept-Encoding:" = answers are small, and their packing costs time. */
static int fill_key(struct endpoint_key *k, const char *key)
{
        static const char *const lines[] = { "Content-Type: application/json", "Accept: application/json",
                                             "Expect:", "Accept-Encoding:" };
        for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
                if (add_header(k, lines[i]) != 0)
                        return -ENOMEM;
        return key && *key ? add_key(k, key) : 0;
}

/* A line break in the key would let it write headers of its own. */
static int make_headers(struct endpoint *e, const char *key, struct problem *why)
{
        for (const char *c = key ? key : ""; *c; c++)
                if (*c <= 0x20 || *c >= 0x7f)
                        return problem_set(
                                why, "settings", "bad_setting",
                                "OPENAI_API_KEY has a space, a line break or another character that no key has");
        struct endpoint_key *k = calloc(1, sizeof(*k));
        if (!k)
                return -ENOMEM;
        if (fill_key(k, key) != 0) {
                free_key(k);
                return -ENOMEM;
        }
        k->earlier = e->key;
        e->key = k;
        return 0;
}

int endpoint_rekey(struct endpoint *e, const char *key, struct problem *why)
{
        const char *now = e->key->secret ? e->key->secret : "";
        if (!*key || strcmp(now, key) == 0)
                return problem_set(why, "settings", "bad_setting", "the key is the same");
        return make_headers(e, key, why);
}

/* One more link in front of those of the key. */
static void add_link(struct endpoint_headers *h, char *line)
{
        h->links[h->count] = (struct curl_slist){ line, h->count ? &h->links[h->count - 1] : h->key->headers };
        h->count++;
}

/* Add a line that is written at `at`; gives what is behind it. */
static char *add_line(struct endpoint_headers *h, char *at, const char *name, struct bytes value)
{
        const size_t size = strlen(name);
        memcpy(at, name, size);
        memcpy(at + size, value.data, value.size);
        at[size + value.size] = '\0';
        add_link(h, at);
        return at + size + value.size + 1;
}

/* Few messages have more than a traceparent, and thousands of requests are kept at once. */
static int add_more(struct endpoint_headers *h, struct bytes state, struct bytes baggage)
{
        static const char state_name[] = "tracestate: ", baggage_name[] = "baggage: ";
        char *at = h->more = malloc(sizeof(state_name) + state.size + sizeof(baggage_name) + baggage.size);
        if (!at)
                return -ENOMEM;
        if (state.size)
                at = add_line(h, at, state_name, state);
        if (baggage.size)
                add_line(h, at, baggage_name, baggage);
        return 0;
}

int endpoint_apply_headers(const struct endpoint *e, CURL *easy, struct endpoint_headers *h,
                           const struct trace_context *trace)
{
        static const struct bytes none = { NULL, 0 };
        const bool traced = trace->parent && trace_is_parent(trace->parent);
        const struct bytes state = traced && trace_is_state(trace->state) ? trace->state : none;
        const struct bytes baggage = e->baggage && trace_is_baggage(trace->baggage) ? trace->baggage : none;
        if (h->key == e->key && !traced && !baggage.size && !h->count)
                return 0;
        endpoint_drop_headers(h);
        h->key = e->key;
        h->count = 0;
        if (traced) {
                snprintf(h->parent, sizeof(h->parent), "traceparent: %s", trace->parent);
                add_link(h, h->parent);
        }
        const int result = state.size || baggage.size ? add_more(h, state, baggage) : 0;
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, h->count ? &h->links[h->count - 1] : e->key->headers);
        return result;
}

/* Their links stay counted, so that the next request does not go out with them. */
void endpoint_drop_headers(struct endpoint_headers *h)
{
        free(h->more);
        h->more = NULL;
}
