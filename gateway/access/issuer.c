/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/access/issuer.h"

#include "core/clock.h"
#include "core/http/host.h"
#include "core/json.h"
#include "core/log.h"
#include "core/net/http_client.h"
#include "core/text/url.h"
#include "core/thread/work.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        ISSUER_EVERY_MS = 600000, /* its keys are read again */
        ISSUER_FLOOR_MS = 5000,   /* … for an unknown one, not more often */
        ISSUER_WHOLE_MS = 5000,   /* what one answer may take */
        ISSUER_MOST = 256 << 10,  /* … and how large it may be, in bytes */
        ISSUER_URL_SIZE = 2048,
        ISSUER_GRACE_MS = 1000,
};

#define ISSUER_DISCOVERY "/.well-known/openid-configuration"

/* Reading the keys, on a thread. */
struct issuer_look {
        struct issuer *issuer;      /* loop thread alone */
        char *name, *url, *ca_file; /* url: of the keys; NULL: it has to be found out */
        atomic_bool stop;
        struct buffer keys; /* what came */
        struct problem why; /* or no code */
};

struct issuer {
        uv_loop_t *loop;
        struct issuer_config config;
        struct token_rules rules;
        struct jwk_set *set; /* NULL: none was read yet */
        struct issuer_look *look;
        struct work *work;
        uint64_t looked_ms; /* when the last look ended */
        bool away;
};

/* ---- on the thread ---- */

/* Nobody must be able to say on the way which keys there are. */
static bool issuer_url_is_safe(const char *text)
{
        struct url url = { 0 };
        const bool read = strlen(text) < ISSUER_URL_SIZE && url_read(text, &url) == 0;
        const bool safe =
                read && url.scheme && url.host &&
                (strcmp(url.scheme, "https") == 0 || (strcmp(url.scheme, "http") == 0 && host_is_loopback(url.host)));
        url_free(&url);
        return safe;
}

/* What a URL answers, in client->answer. 0, or 1 with `why`. */
static int issuer_get(struct http_client *client, const char *url, struct problem *why)
{
        const struct http_said said = http_client_exchange(client, "GET", url, NULL, NULL);
        if (said.code != CURLE_OK)
                return problem_set(why, "gateway", "bad_issuer", "%s: %s", url, said.why);
        return said.status == 200 ? 0 : problem_set(why, "gateway", "bad_issuer", "%s answers %ld", url, said.status);
}

/* Where the keys are. 0, or 1 with `why`. */
static int issuer_discover(struct http_client *client, const char *name, char url[ISSUER_URL_SIZE], struct problem *why)
{
        JSON_OWNED json_t *found = NULL;
        const size_t size = strlen(name);
        snprintf(url, ISSUER_URL_SIZE, "%.*s" ISSUER_DISCOVERY, (int)(size - (name[size - 1] == '/')), name);
        int code = issuer_get(client, url, why);
        if (code == 0 && json_parse(buffer_view(&client->answer), "gateway", &found, NULL))
                code = problem_set(why, "gateway", "bad_issuer", "%s does not answer with JSON", url);
        if (code)
                return code;
        const char *keys = json_text(found, "jwks_uri", "");
        if (strcmp(json_text(found, "issuer", ""), name) != 0)
                return problem_set(why, "gateway", "bad_issuer", "%s is about another issuer", url);
        if (!issuer_url_is_safe(keys))
                return problem_set(why, "gateway", "bad_issuer", "%s names no https:// URL of keys", url);
        snprintf(url, ISSUER_URL_SIZE, "%s", keys);
        return 0;
}

static void issuer_look_run(void *arg)
{
        struct issuer_look *look = (struct issuer_look *)arg;
        char url[ISSUER_URL_SIZE];
        struct http_client client = { 0 };
        const struct http_client_config config = { .whole_ms = ISSUER_WHOLE_MS,
                                                   .most = ISSUER_MOST,
                                                   .keeps = true,
                                                   .by_proxy = true,
                                                   .ca_file = look->ca_file,
                                                   .stop = &look->stop };
        int code = 0;
        if (http_client_open(&client, &config))
                code = problem_set(&look->why, "gateway", "out_of_memory", "memory ran out");
        else if (look->url)
                snprintf(url, sizeof(url), "%s", look->url);
        else
                code = issuer_discover(&client, look->name, url, &look->why);
        if (code == 0 && issuer_get(&client, url, &look->why) == 0) {
                look->keys = client.answer;
                client.answer = (struct buffer){ 0 };
        }
        http_client_close(&client);
}

/* ---- on the loop ---- */

static void issuer_look_free(void *arg)
{
        struct issuer_look *look = (struct issuer_look *)arg;
        buffer_free(&look->keys);
        free(look->name);
        free(look->url);
        free(look->ca_file);
        free(look);
}

static void issuer_take(struct issuer *is, struct issuer_look *look)
{
        struct jwk_set *set = NULL;
        struct problem *why = &look->why;
        const int code = *why->code ? 1 : jwk_set_read(&set, buffer_view(&look->keys), why);
        if (code && !is->away)
                log_warn("gateway", "the keys of %s can't be read, those count that were known: %s", is->config.name,
                         code < 0 ? "memory ran out" : why->text);
        is->away = code;
        if (code)
                return;
        jwk_set_free(is->set);
        is->set = set;
}

static void issuer_look_done(void *arg)
{
        struct issuer_look *look = (struct issuer_look *)arg;
        struct issuer *is = look->issuer;
        issuer_take(is, look);
        is->look = NULL;
        is->work = NULL;
        is->looked_ms = clock_mono_ms();
        issuer_look_free(look);
}

static struct issuer_look *issuer_look_new(struct issuer *is)
{
        const struct issuer_config *config = &is->config;
        const bool named = config->keys_url && *config->keys_url;
        struct issuer_look *look = calloc(1, sizeof(*look));
        if (!look)
                return NULL;
        look->issuer = is;
        look->name = strdup(config->name);
        look->url = named ? strdup(config->keys_url) : NULL;
        look->ca_file = config->ca_file ? strdup(config->ca_file) : NULL;
        if (look->name && !look->url == !named && !look->ca_file == !config->ca_file)
                return look;
        issuer_look_free(look);
        return NULL;
}

static void issuer_look_begin(struct issuer *is)
{
        static const struct work_calls calls = { issuer_look_run, issuer_look_done, issuer_look_free };
        struct issuer_look *look = is->look ? NULL : issuer_look_new(is);
        if (look && work_start(&is->work, is->loop, &calls, look) == 0)
                is->look = look;
        else if (look)
                issuer_look_free(look);
}

int issuer_open(struct issuer **out, uv_loop_t *loop, const struct issuer_config *config, struct problem *why)
{
        const bool named = config->keys_url && *config->keys_url;
        if (!issuer_url_is_safe(named ? config->keys_url : config->name))
                return problem_set(why, "gateway", "bad_issuer",
                                   "%s is no https:// URL, by which alone keys of an issuer are read",
                                   named ? config->keys_url : config->name);
        if (!config->audience || !*config->audience)
                return problem_set(why, "gateway", "bad_issuer",
                                   "CHARD_OIDC_ISSUER needs CHARD_OIDC_AUDIENCE: for whom its tokens must be made");
        struct issuer *is = calloc(1, sizeof(*is));
        if (!is)
                return -ENOMEM;
        is->loop = loop;
        is->config = *config;
        is->rules = (struct token_rules){ config->name, config->audience, config->scope_claim };
        issuer_look_begin(is);
        *out = is;
        return 0;
}

void issuer_close(struct issuer *is)
{
        if (!is)
                return;
        if (is->look) {
                atomic_store(&is->look->stop, true);
                work_abandon(is->work, ISSUER_GRACE_MS);
        }
        jwk_set_free(is->set);
        free(is);
}

int issuer_check(struct issuer *is, const char *token, struct token_holder *out, struct problem *why)
{
        const uint64_t now_ms = clock_mono_ms(), age_ms = now_ms - is->looked_ms;
        const int code = token_check(bytes_of_string(token), &is->rules, is->set, clock_wall_ms() / 1000, out, why);
        if (age_ms >= (code == TOKEN_UNKNOWN_KEY ? ISSUER_FLOOR_MS : ISSUER_EVERY_MS))
                issuer_look_begin(is);
        if (code != TOKEN_UNKNOWN_KEY || is->look || !is->set)
                return code;
        return problem_set(why, "request", "wrong_token", "its issuer has no key by the name that this token says");
}
