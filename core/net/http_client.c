/* SPDX-License-Identifier: Apache-2.0 */
#include "core/net/http_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static size_t http_client_on_body(char *data, size_t one, size_t size, void *arg)
{
        struct http_client *c = (struct http_client *)arg;
        c->read += one * size;
        if (c->read > c->config.most)
                return 0;
        if (c->config.keeps)
                buffer_add(&c->answer, data, one * size);
        return c->answer.failed ? 0 : one * size;
}

static int http_client_on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
        (void)a, (void)b, (void)c, (void)d;
        return atomic_load(((const struct http_client *)arg)->config.stop);
}

int http_client_open(struct http_client *c, const struct http_client_config *config)
{
        *c = (struct http_client){ .config = *config };
        curl_global_init(CURL_GLOBAL_DEFAULT); /* counted, and safe beside other threads since curl 7.84 */
        CURL *easy = c->easy = curl_easy_init();
        if (!easy) {
                curl_global_cleanup();
                return -ENOMEM;
        }
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_USERAGENT, "chard/" CHARD_VERSION);
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)config->whole_ms);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, http_client_on_body);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, c->error);
        if (config->connect_ms)
                curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_ms);
#if CURL_AT_LEAST_VERSION(7, 87, 0)
        curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* do not wait for a look-up that hangs */
#endif
        if (config->stop) {
                curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, http_client_on_progress);
                curl_easy_setopt(easy, CURLOPT_XFERINFODATA, c);
                curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
        }
        CURLcode code = config->by_proxy ? CURLE_OK : curl_easy_setopt(easy, CURLOPT_PROXY, "");
        if (code == CURLE_OK && config->ca_file)
                code = curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca_file);
        return code == CURLE_OK ? 0 : -ENOMEM;
}

struct http_said http_client_exchange(struct http_client *c, const char *method, const char *url,
                                      const struct http_body *body, struct curl_slist *more)
{
        char media[128];
        struct curl_slist type = { .data = media, .next = more };
        struct http_said said = { .code = CURLE_OK };
        curl_off_t retry_after_s = 0;
        buffer_reset(&c->answer);
        c->read = 0;
        c->error[0] = '\0';
        snprintf(media, sizeof(media), "Content-Type: %s", body && body->media ? body->media : "application/json");
        curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, body ? &type : more);
        curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, body ? (curl_off_t)body->content.size : (curl_off_t)-1);
        curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS,
                         !body                ? NULL
                         : body->content.data ? (const char *)body->content.data
                                              : "");
        if (!body)
                curl_easy_setopt(c->easy, CURLOPT_HTTPGET, 1L);
        said.code = curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, method);
        if (said.code == CURLE_OK)
                said.code = curl_easy_setopt(c->easy, CURLOPT_URL, url);
        if (said.code == CURLE_OK)
                said.code = curl_easy_perform(c->easy);
        curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, NULL);
        curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, NULL);
        curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &said.status);
        curl_easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
        said.retry_after_s = retry_after_s > 0 ? (uint64_t)retry_after_s : 0;
        said.why = *c->error ? c->error : curl_easy_strerror(said.code);
        return said;
}

void http_client_close(struct http_client *c)
{
        if (c->easy) {
                curl_easy_cleanup(c->easy);
                curl_global_cleanup();
        }
        buffer_free(&c->answer);
        *c = (struct http_client){ 0 };
}
