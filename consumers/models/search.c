/* SPDX-License-Identifier: Apache-2.0 */
#include "consumers/models/search.h"

#include "core/json.h"
#include "core/log.h"
#include "core/net/http_client.h"
#include "core/text/url.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
        SEARCH_ANSWER_MS = 30000,
        SEARCH_ANSWER_MOST = 64 << 20,
        SEARCH_BULK_MOST = 5 << 20, /* bytes in a request, but for a document that is larger */
};

struct opensearch {
        struct http_client client;
        char *base; /* without a password */
        struct buffer body;
};

/* ---- one exchange ---- */

/* 0 with the status, whatever it is; 1 with `why`; or -ENOMEM. */
static int search_exchange(struct opensearch *s, const char *method, const char *path, const struct http_body *body,
                           long *status, struct problem *why)
{
        char *url = NULL;
        if (asprintf(&url, "%s%s", s->base, path) < 0)
                return -ENOMEM;
        const struct http_said said = http_client_exchange(&s->client, method, url, body, NULL);
        *status = said.status;
        free(url);
        if (said.code == CURLE_OUT_OF_MEMORY || s->client.answer.failed)
                return -ENOMEM;
        return said.code == CURLE_OK
                       ? 0
                       : problem_set(why, "models", "away", "OpenSearch at %.200s: %.200s", s->base, said.why);
}

/* The same with a JSON text, whose answer must be a success; `fine`: an error's type that is one, too, or NULL. */
static int search_ask(struct opensearch *s, const char *method, const char *path, const char *text, const char *fine,
                      struct problem *why)
{
        long status = 0;
        const int rc =
                search_exchange(s, method, path, &(struct http_body){ bytes_of_string(text), NULL }, &status, why);
        if (rc != 0 || (status >= 200 && status < 300))
                return rc;
        JSON_OWNED json_t *said = NULL;
        (void)json_parse(buffer_view(&s->client.answer), "models", &said, NULL);
        const json_t *error = json_object_get(said, "error");
        if (fine && strcmp(json_text(error, "type", ""), fine) == 0)
                return 0;
        return problem_set(why, "models", "away", "OpenSearch at %.120s answers %ld to %s %.80s: %.200s", s->base,
                           status, method, path,
                           json_text(error, "reason", json_text(said, "error", "it does not say why")));
}

/* ---- indexes ---- */

/* Names of models and indexes need no escaping: consumer_check. */
int search_make(struct opensearch *s, const struct read_model *model, const char *index, struct problem *why)
{
        char path[128], *body = NULL;
        snprintf(path, sizeof(path), "/%s", index);
        if (asprintf(&body, "{\"mappings\": %s}", model->mapping ? model->mapping : "{}") < 0)
                return -ENOMEM;
        const int rc = search_ask(s, "PUT", path, body, "resource_already_exists_exception", why);
        free(body);
        return rc;
}

int search_refresh(struct opensearch *s, const char *index, struct problem *why)
{
        char path[128];
        snprintf(path, sizeof(path), "/%s/_refresh", index);
        return search_ask(s, "POST", path, "", NULL, why);
}

int search_delete(struct opensearch *s, const char *index, struct problem *why)
{
        char path[128];
        snprintf(path, sizeof(path), "/%s", index);
        return search_ask(s, "DELETE", path, "", "index_not_found_exception", why);
}

/* {index: {"aliases": {…}}}; none there is an empty one. */
static int search_aliases(struct opensearch *s, const char *path, json_t **out, struct problem *why)
{
        long status = 0;
        *out = NULL;
        const int rc = search_exchange(s, "GET", path, NULL, &status, why);
        if (rc != 0)
                return rc;
        if (status == 404)
                *out = json_object();
        else if (status == 200)
                (void)json_parse(buffer_view(&s->client.answer), "models", out, NULL);
        return *out ? 0
                    : problem_set(why, "models", "away", "OpenSearch at %.200s answers %ld to GET %.80s", s->base,
                                  status, path);
}

static int search_before(struct opensearch *s, const struct read_model *model, json_t **before, struct problem *why)
{
        char path[128];
        const char *index;
        json_t *known;
        JSON_OWNED json_t *said = NULL;
        *before = json_array();
        snprintf(path, sizeof(path), "/_alias/%s", model->name);
        const int rc = search_aliases(s, path, &said, why);
        json_object_foreach(said, index, known) {
                (void)known;
                json_array_append_new(*before, json_string(index));
        }
        return rc;
}

/* "NAME-" and digits. */
static bool search_is_own(const struct read_model *model, const char *index)
{
        const size_t size = strlen(model->name);
        return strncmp(index, model->name, size) == 0 && index[size] == '-' && index[size + 1] &&
               !index[size + 1 + strspn(index + size + 1, "0123456789")];
}

int search_left(struct opensearch *s, const struct read_model *model, json_t **left, struct problem *why)
{
        char path[128];
        const char *index;
        json_t *known;
        JSON_OWNED json_t *said = NULL;
        *left = json_array();
        snprintf(path, sizeof(path), "/%s-*/_alias", model->name);
        const int rc = search_aliases(s, path, &said, why);
        json_object_foreach(said, index, known)
                if (json_object_size(json_object_get(known, "aliases")) == 0 && search_is_own(model, index))
                        json_array_append_new(*left, json_string(index));
        return rc;
}

int search_swap(struct opensearch *s, const struct read_model *model, const char *index, json_t **before,
                struct problem *why)
{
        size_t i;
        json_t *one;
        int rc = search_before(s, model, before, why);
        if (rc != 0)
                return rc;
        JSON_OWNED json_t *body =
                json_pack("{s:[{s:{s:s, s:s}}]}", "actions", "add", "index", index, "alias", model->name);
        json_array_foreach(*before, i, one) {
                if (strcmp(json_string_value(one), index) != 0)
                        json_array_append_new(
                                json_object_get(body, "actions"),
                                json_pack("{s:{s:O, s:s}}", "remove", "index", one, "alias", model->name));
        }
        char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
        rc = text ? search_ask(s, "POST", "/_aliases", text, NULL, why) : -ENOMEM;
        free(text);
        return rc;
}

/* Its first one. Two that make it at a time make the same. */
static int search_found(struct opensearch *s, const char *who, const struct read_model *model, struct problem *why)
{
        char index[96];
        JSON_OWNED json_t *before = NULL;
        snprintf(index, sizeof(index), "%s-1", model->name);
        int rc = search_make(s, model, index, why);
        if (rc == 0)
                rc = search_swap(s, model, index, &before, why);
        if (rc == 0)
                log_warn(
                        "consumer",
                        "%s: there was no index %s: it was made, and has what comes from now on; what was before: chard consume %s --rebuild",
                        who, model->name, who);
        return rc;
}

/* ---- writing ---- */

static int search_write_some(struct opensearch *s, struct bulk_item *items, size_t count, struct problem *why);

static int search_write_each(struct opensearch *s, struct bulk_item *items, size_t count, struct problem *why)
{
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < count; i++)
                rc = search_write_some(s, &items[i], 1, why);
        return rc;
}

/* In one request. */
static int search_write_some(struct opensearch *s, struct bulk_item *items, size_t count, struct problem *why)
{
        long status = 0;
        buffer_reset(&s->body);
        for (size_t i = 0; i < count; i++)
                bulk_add(&s->body, &items[i]);
        if (s->body.failed)
                return -ENOMEM;
        const struct http_body body = { buffer_view(&s->body), "application/x-ndjson" };
        const int rc = search_exchange(
                s, "POST", "/_bulk?filter_path=items.*.status,items.*.error.type,items.*.error.reason,error", &body,
                &status, why);
        if (rc != 0)
                return rc;
        switch (bulk_read_answer(items, count, status, buffer_view(&s->client.answer), why)) {
        case BULK_JUDGED: return 0;
        case BULK_SPLIT: return search_write_each(s, items, count, why);
        case BULK_AWAY: break;
        }
        return 1;
}

static int search_write_all(struct opensearch *s, struct bulk_item *items, size_t count, struct problem *why)
{
        int rc = 0;
        for (size_t from = 0, to = 0; rc == 0 && from < count; from = to) {
                size_t size = 0;
                while (to < count && (to == from || size + items[to].body.size <= SEARCH_BULK_MOST))
                        size += items[to++].body.size;
                rc = search_write_some(s, &items[from], to - from, why);
        }
        return rc;
}

/* Make what is missing: each model's index once. Returns whether there was any, or as the rest. */
static int search_mend(struct opensearch *s, const char *who, const struct bulk_item *items, size_t count,
                       struct problem *why)
{
        const struct read_model *made = NULL;
        for (size_t i = 0; i < count; i++) {
                if (items[i].end != MODEL_GONE || items[i].model == made)
                        continue;
                made = items[i].model;
                const int rc = made ? search_found(s, who, made, why)
                                    : problem_set(why, "models", "index_gone", "the index %.80s was deleted meanwhile",
                                                  items[i].index);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

static bool search_lacks(const struct bulk_item *items, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (items[i].end == MODEL_GONE)
                        return true;
        return false;
}

int search_write(struct opensearch *s, const char *who, struct bulk_item *items, size_t count, struct problem *why)
{
        int rc = search_write_all(s, items, count, why);
        if (rc != 0 || !search_lacks(items, count))
                return rc;
        rc = search_mend(s, who, items, count, why);
        if (rc == 0)
                rc = search_write_all(s, items, count, why); /* those that were written are newer now */
        if (rc == 0 && search_lacks(items, count))
                rc = problem_set(why, "models", "away", "an index that was made is gone again");
        return rc;
}

/* ---- where it is ---- */

static int search_take_login(struct opensearch *s, const struct url *u)
{
        if (!u->user)
                return 0;
        CURLcode code = curl_easy_setopt(s->client.easy, CURLOPT_USERNAME, u->user);
        if (code == CURLE_OK)
                code = curl_easy_setopt(s->client.easy, CURLOPT_PASSWORD, u->password ? u->password : "");
        if (u->password)
                log_hide(u->password);
        return code == CURLE_OK ? 0 : -ENOMEM;
}

static int search_take_base(struct opensearch *s, const struct url *u)
{
        size_t size = u->path ? strlen(u->path) : 0;
        while (size && u->path[size - 1] == '/')
                size--;
        const bool v6 = strchr(u->host, ':') != NULL;
        if (asprintf(&s->base, "%s://%s%s%s:%s%.*s", u->scheme, v6 ? "[" : "", u->host, v6 ? "]" : "",
                     u->port ? u->port : "9200", (int)size, u->path ? u->path : "") < 0)
                s->base = NULL;
        return s->base ? 0 : -ENOMEM;
}

static int search_take_url(struct opensearch *s, const char *text, struct problem *why)
{
        struct url u = { 0 };
        int rc = url_read(text, &u);
        if (rc > 0 ||
            (rc == 0 && (!u.host || (strcasecmp(u.scheme, "http") != 0 && strcasecmp(u.scheme, "https") != 0))))
                rc = problem_set(why, "models", "bad_url",
                                 "CHARD_SEARCH_URL reads http://HOST:9200, or https://USER:PASSWORD@HOST:PORT");
        if (rc == 0)
                rc = search_take_base(s, &u);
        if (rc == 0)
                rc = search_take_login(s, &u);
        url_free(&u);
        return rc;
}

int search_open(struct opensearch **out, const char *url, unsigned connect_timeout_ms, struct problem *why)
{
        struct opensearch *s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        const struct http_client_config config = { .connect_ms = connect_timeout_ms,
                                                   .whole_ms = SEARCH_ANSWER_MS,
                                                   .most = SEARCH_ANSWER_MOST,
                                                   .keeps = true };
        int rc = http_client_open(&s->client, &config);
        if (rc == 0)
                rc = search_take_url(s, url, why);
        if (rc != 0)
                search_close(s);
        else
                *out = s;
        return rc;
}

void search_close(struct opensearch *s)
{
        if (!s)
                return;
        http_client_close(&s->client);
        buffer_free(&s->body);
        free(s->base);
        free(s);
}
