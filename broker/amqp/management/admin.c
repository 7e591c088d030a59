/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/amqp/management/admin.h"

#include "broker/amqp/connection/address.h"
#include "core/bytes.h"
#include "core/json.h"
#include "core/net/http_client.h"
#include "core/text/url.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { CONNECT_MS = 1500, ANSWER_MS = 5000, ANSWER_MOST = 16 << 20 };

struct admin {
        struct http_client client;
        char *base;  /* "http://rabbit:15672/api" */
        char *user;  /* for complaints */
        char *vhost; /* encoded */
        unsigned major;
        char version[40];
        int64_t date_ms; /* of the last answer, or 0 */
};

/* ---- one exchange ---- */

static size_t amqp_admin_on_header(char *data, size_t one, size_t size, void *arg)
{
        static const char date[] = "date:";
        struct admin *a = arg;
        char text[64];
        if (one * size > sizeof(date) && strncasecmp(data, date, sizeof(date) - 1) == 0) {
                snprintf(text, sizeof(text), "%.*s", (int)(one * size - sizeof(date) + 1), data + sizeof(date) - 1);
                const time_t at = curl_getdate(text, NULL);
                a->date_ms = at > 0 ? (int64_t)at * 1000 : 0;
        }
        return one * size;
}

static int admin_unreachable(const struct admin *a, const char *what, struct problem *why)
{
        return problem_set(why, "broker", "unreachable", "RabbitMQ's management API at %.200s: %.200s", a->base, what);
}

static int amqp_admin_refused(const struct admin *a, long status, struct problem *why)
{
        JSON_OWNED json_t *body = NULL;
        (void)json_parse(buffer_view(&a->client.answer), "broker", &body, NULL);
        const char *reason = json_text(body, "reason", "no reason given");
        if (status == 401 || status == 403)
                return problem_set(why, "broker", "access_refused",
                                   "RabbitMQ's management API at %.120s refuses the user %.60s (%.120s): "
                                   "it needs the tag policymaker, to see policies as well as to set them",
                                   a->base, a->user, reason);
        return problem_set(why, "broker", "refused", "RabbitMQ's management API at %.120s answers %ld: %.200s", a->base,
                           status, reason);
}

/* 0 with the answer's body in a->client.answer and its status, or 1. */
static int admin_exchange(struct admin *a, const char *url, const char *body, long *status, struct problem *why)
{
        const struct http_said said =
                http_client_exchange(&a->client, body ? "PUT" : "GET", url,
                                     body ? &(struct http_body){ bytes_of_string(body), NULL } : NULL, NULL);
        *status = said.status;
        return said.code == CURLE_OK ? 0 : admin_unreachable(a, said.why, why);
}

/* BASE/KIND/VHOST[/NAME][REST], or NULL when memory ran out. */
static char *amqp_admin_path_of(const struct admin *a, const char *kind, const char *name, const char *rest)
{
        char *encoded = name ? curl_easy_escape(a->client.easy, name, 0) : NULL, *url = NULL;
        if ((name && !encoded) || asprintf(&url, "%s/%s/%s%s%s%s", a->base, kind, a->vhost, name ? "/" : "",
                                           name ? encoded : "", rest ? rest : "") < 0)
                url = NULL;
        curl_free(encoded);
        return url;
}

static int amqp_admin_get(struct admin *a, const char *url, json_t **out, struct problem *why)
{
        long status = 0;
        int result = admin_exchange(a, url, NULL, &status, why);
        *out = NULL;
        if (result || status == 404)
                return result;
        if (status != 200)
                return amqp_admin_refused(a, status, why);
        if (json_parse(buffer_view(&a->client.answer), "broker", out, NULL))
                return admin_unreachable(a, "what answers there is no such API", why);
        return 0;
}

int admin_get(struct admin *a, const char *kind, const char *name, const char *rest, json_t **out, struct problem *why)
{
        char *url = amqp_admin_path_of(a, kind, name, rest);
        const int result = url ? amqp_admin_get(a, url, out, why) : -ENOMEM;
        free(url);
        return result;
}

int admin_put(struct admin *a, const char *kind, const char *name, const json_t *value, struct problem *why)
{
        long status = 0;
        char *url = amqp_admin_path_of(a, kind, name, NULL), *body = json_dumps(value, JSON_COMPACT);
        int result = url && body ? admin_exchange(a, url, body, &status, why) : -ENOMEM;
        if (result == 0 && status / 100 != 2)
                result = amqp_admin_refused(a, status, why);
        free(url);
        free(body);
        return result;
}

/* ---- where it is ---- */

const char *admin_version(const struct admin *a)
{
        return a->version;
}

int64_t admin_date_ms(const struct admin *a)
{
        return a->date_ms;
}

unsigned admin_broker_major(const struct admin *a)
{
        return a->major;
}

/* It answers, and knows its version. */
static int amqp_admin_greet(struct admin *a, struct problem *why)
{
        JSON_OWNED json_t *overview = NULL;
        char *url = NULL;
        const int result =
                asprintf(&url, "%s/overview", a->base) < 0 ? -ENOMEM : amqp_admin_get(a, url, &overview, why);
        free(url);
        if (result)
                return result;
        snprintf(a->version, sizeof(a->version), "%.39s", json_text(overview, "rabbitmq_version", "0"));
        a->major = (unsigned)strtoul(a->version, NULL, 10);
        return a->major ? 0 : admin_unreachable(a, "what answers there is not RabbitMQ", why);
}

static int take_login(struct admin *a, const char *user, const char *password)
{
        free(a->user);
        a->user = strdup(user);
        if (!a->user)
                return -ENOMEM;
        curl_easy_setopt(a->client.easy, CURLOPT_USERNAME, user);
        return curl_easy_setopt(a->client.easy, CURLOPT_PASSWORD, password) == CURLE_OK ? 0 : -ENOMEM;
}

static int take_base(struct admin *a, const char *scheme, const char *host, const char *port, const char *path)
{
        path = path ? path : "";
        size_t size = strlen(path);
        while (size && path[size - 1] == '/')
                size--;
        if (size >= 4 && strncmp(path + size - 4, "/api", 4) == 0)
                size -= 4;
        const bool v6 = strchr(host, ':') != NULL;
        free(a->base);
        a->base = NULL;
        return asprintf(&a->base, "%s://%s%s%s:%s%.*s/api", scheme, v6 ? "[" : "", host, v6 ? "]" : "", port, (int)size,
                        path) < 0
                       ? -ENOMEM
                       : 0;
}

/* The URL that a setting gives. */
static int at_url(struct admin *a, const char *text, const struct amqp_address *broker, struct problem *why)
{
        struct url u = { 0 };
        int result = url_read(text, &u);
        const bool tls = !result && strcasecmp(u.scheme, "https") == 0;
        if (result > 0 || (!result && (!u.host || (!tls && strcasecmp(u.scheme, "http") != 0))))
                result = problem_set(why, "broker", "bad_url",
                                     "CHARD_BROKER_ADMIN_URL reads http://USER:PASSWORD@HOST:15672, or https://…");
        if (!result)
                result = take_base(a, tls ? "https" : "http", u.host,
                                   u.port ? u.port
                                   : tls  ? "15671"
                                          : "15672",
                                   u.path);
        if (!result)
                result = take_login(a, u.user ? u.user : broker->user,
                                    u.user ? (u.password ? u.password : "") : broker->password);
        url_free(&u);
        return result ? result : amqp_admin_greet(a, why);
}

/* A password that goes to the broker in TLS goes nowhere without. */
static int at_usual_port(struct admin *a, const struct amqp_address *broker, struct problem *why)
{
        int result = take_base(a, broker->tls ? "https" : "http", broker->host, broker->tls ? "15671" : "15672", NULL);
        if (!result)
                result = take_login(a, broker->user, broker->password);
        return result ? result : amqp_admin_greet(a, why);
}

static int amqp_admin_find(struct admin *a, const struct broker_check_config *config,
                           const struct amqp_address_list *brokers, struct problem *why)
{
        int result = 1;
        if (config->admin_url && *config->admin_url)
                return at_url(a, config->admin_url, &brokers->items[0], why);
        for (size_t i = 0; i < brokers->count && result == 1; i++)
                result = at_usual_port(a, &brokers->items[i], why);
        return result;
}

static int open_for(struct admin *a, const struct broker_check_config *config, const struct amqp_address_list *brokers,
                    struct problem *why)
{
        const struct http_client_config client = { .connect_ms = CONNECT_MS,
                                                   .whole_ms = ANSWER_MS,
                                                   .most = ANSWER_MOST,
                                                   .keeps = true,
                                                   .ca_file = config->ca_file,
                                                   .stop = config->stop };
        char *vhost;
        if (http_client_open(&a->client, &client) < 0)
                return -ENOMEM;
        curl_easy_setopt(a->client.easy, CURLOPT_HEADERFUNCTION, amqp_admin_on_header);
        curl_easy_setopt(a->client.easy, CURLOPT_HEADERDATA, a);
        vhost = curl_easy_escape(a->client.easy, brokers->items[0].vhost, 0);
        a->vhost = vhost ? strdup(vhost) : NULL;
        curl_free(vhost);
        return a->vhost ? amqp_admin_find(a, config, brokers, why) : -ENOMEM;
}

int admin_open(struct admin **out, const struct broker_check_config *config, struct problem *why)
{
        struct amqp_address_list brokers = { 0 };
        struct admin *a = calloc(1, sizeof(*a));
        int result = a ? amqp_address_list_parse(&brokers, config->urls, why) : -ENOMEM;
        if (!a)
                return result;
        if (!result)
                result = open_for(a, config, &brokers, why);
        amqp_address_list_free(&brokers);
        if (result)
                admin_close(a);
        else
                *out = a;
        return result;
}

void admin_close(struct admin *a)
{
        http_client_close(&a->client);
        free(a->base);
        free(a->user);
        free(a->vhost);
        free(a);
}
