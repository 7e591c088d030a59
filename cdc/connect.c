/* SPDX-License-Identifier: Apache-2.0 */
#include "cdc/connect.h"

#include "core/bytes.h"
#include "core/json.h"
#include "core/net/http_client.h"
#include "core/text/url.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CONNECT_REACH_MS = 3000, CONNECT_ANSWER_MS = 10000, CONNECT_ANSWER_MOST = 4 << 20 };

struct connect {
        struct http_client client;
        char *base; /* "http://connect:8083/connectors/NAME", without a password */
};

/* ---- one exchange ---- */

static int connect_exchange(struct connect *c, const char *what, long *status, struct problem *why)
{
        char *url = NULL;
        if (asprintf(&url, "%s/%s", c->base, what) < 0)
                return -ENOMEM;
        const struct http_said said = http_client_exchange(&c->client, "GET", url, NULL, NULL);
        free(url);
        *status = said.status;
        if (said.code == CURLE_OUT_OF_MEMORY || c->client.answer.failed)
                return -ENOMEM;
        return said.code == CURLE_OK ? 0
                                     : problem_set(why, "connect", "unreachable", "Kafka Connect at %.200s: %.200s",
                                                   c->base, said.why);
}

/* Connect explains itself: {"error_code", "message"}. */
static int connect_refused(const struct connect *c, long status, struct problem *why)
{
        JSON_OWNED json_t *body = NULL;
        (void)json_parse(buffer_view(&c->client.answer), "connect", &body, NULL);
        return problem_set(why, "connect", status == 401 || status == 403 ? "access_refused" : "refused",
                           "Kafka Connect at %.200s answers %ld: %.200s", c->base, status,
                           json_text(body, "message", "and does not say why"));
}

int connect_get(struct connect *c, const char *what, json_t **out, struct problem *why)
{
        long status = 0;
        *out = NULL;
        const int code = connect_exchange(c, what, &status, why);
        if (code || status == 404)
                return code;
        if (status != 200)
                return connect_refused(c, status, why);
        const int bad = json_parse(buffer_view(&c->client.answer), "connect", out, NULL);
        return bad <= 0 ? bad
                        : problem_set(why, "connect", "bad_json",
                                      "what answers at %.200s is not Kafka Connect: it is no JSON", c->base);
}

/* ---- where it is ---- */

static int connect_take_login(struct connect *c, const struct url *u)
{
        if (!u->user)
                return 0;
        CURLcode code = curl_easy_setopt(c->client.easy, CURLOPT_USERNAME, u->user);
        if (code == CURLE_OK)
                code = curl_easy_setopt(c->client.easy, CURLOPT_PASSWORD, u->password ? u->password : "");
        return code == CURLE_OK ? 0 : -ENOMEM;
}

static int connect_take_base(struct connect *c, const struct url *u, const char *connector)
{
        size_t size = u->path ? strlen(u->path) : 0;
        while (size && u->path[size - 1] == '/')
                size--;
        char *name = curl_easy_escape(c->client.easy, connector, 0);
        const bool v6 = strchr(u->host, ':') != NULL;
        if (!name || asprintf(&c->base, "%s://%s%s%s:%s%.*s/connectors/%s", u->scheme, v6 ? "[" : "", u->host,
                              v6 ? "]" : "", u->port ? u->port : "8083", (int)size, u->path ? u->path : "", name) < 0)
                c->base = NULL;
        curl_free(name);
        return c->base ? 0 : -ENOMEM;
}

static int connect_take_url(struct connect *c, const char *text, const char *connector, struct problem *why)
{
        struct url u = { 0 };
        int code = url_read(text, &u);
        if (code > 0 ||
            (code == 0 && (!u.host || (strcasecmp(u.scheme, "http") != 0 && strcasecmp(u.scheme, "https") != 0))))
                code = problem_set(why, "connect", "bad_url",
                                   "CHARD_CONNECT_URL reads http://HOST:8083, or https://USER:PASSWORD@HOST:PORT");
        if (code == 0)
                code = connect_take_base(c, &u, connector);
        if (code == 0)
                code = connect_take_login(c, &u);
        url_free(&u);
        return code;
}

int connect_open(struct connect **out, const char *url, const char *connector, struct problem *why)
{
        const struct http_client_config config = { .connect_ms = CONNECT_REACH_MS,
                                                   .whole_ms = CONNECT_ANSWER_MS,
                                                   .most = CONNECT_ANSWER_MOST,
                                                   .keeps = true };
        struct connect *c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        int code = http_client_open(&c->client, &config);
        if (code == 0)
                code = connect_take_url(c, url, connector, why);
        if (code)
                connect_close(c);
        else
                *out = c;
        return code;
}

void connect_close(struct connect *c)
{
        if (!c)
                return;
        http_client_close(&c->client);
        free(c->base);
        free(c);
}
