/* SPDX-License-Identifier: Apache-2.0 */
/* Sources: RFC 6750, 3 (WWW-Authenticate); draft-ietf-httpapi-ratelimit-headers-10 (RateLimit, RateLimit-Policy). */
#include "gateway/keys.h"

#include "core/clock.h"
#include "core/http/host.h"
#include "core/http/listen.h"
#include "core/json.h"
#include "core/log.h"
#include "gateway/access/issuer.h"
#include "gateway/api_key.h"
#include "store/access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { KEYS_EVERY_MS = 2000, KEYS_WAIT_MS = 5000, KEYS_WINDOW_MS = 60000 };

struct gateway_key {
        char id[API_KEY_ID_SIZE], digest[DIGEST_TEXT_SIZE];
        unsigned scopes, rate;
        bool revoked;
        uint64_t window_ms; /* when its minute began */
        unsigned used;      /* requests in it */
};

struct keys {
        struct store *store;
        uv_timer_t timer;
        bool reached; /* others reach the address */
        bool asking, closed, gone, away;
        struct gateway_key *list; /* by id */
        size_t count;
        unsigned revision;
        struct issuer *issuer; /* or NULL */
};

/* ---- the list ---- */

static int keys_by_id(const void *id, const void *key)
{
        return strcmp((const char *)id, ((const struct gateway_key *)key)->id);
}

static struct gateway_key *keys_find(const struct keys *k, const char *id)
{
        return k->count ? bsearch(id, k->list, k->count, sizeof(k->list[0]), keys_by_id) : NULL;
}

static struct gateway_key keys_read(const struct keys *k, const json_t *row)
{
        struct gateway_key key = { 0 };
        snprintf(key.id, sizeof(key.id), "%s", json_text(row, "id", ""));
        snprintf(key.digest, sizeof(key.digest), "%s", json_text(row, "digest", ""));
        key.scopes = api_scopes_read(json_text(row, "scopes", ""));
        key.rate = (unsigned)json_number(row, "rate", 0);
        key.revoked = json_is_integer(json_object_get(row, "revoked_ms"));
        const struct gateway_key *known = keys_find(k, key.id);
        if (known) {
                key.window_ms = known->window_ms;
                key.used = known->used;
        }
        return key;
}

static void keys_review(struct keys *k, const struct gateway_key *before, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                const struct gateway_key *now = keys_find(k, before[i].id);
                if (!before[i].revoked && (!now || now->revoked)) {
                        k->revision++;
                        return;
                }
        }
        k->revision += count == 0 && k->count > 0;
}

/* 0, or -ENOMEM: those that were known stay. */
static int keys_take(struct keys *k, const json_t *rows)
{
        const size_t count = json_array_size(rows);
        struct gateway_key *list = calloc(count + 1, sizeof(*list));
        if (!list)
                return -ENOMEM;
        for (size_t i = 0; i < count; i++)
                list[i] = keys_read(k, json_array_get(rows, i));
        struct gateway_key *before = k->list;
        const size_t known = k->count;
        k->list = list;
        k->count = count;
        keys_review(k, before, known);
        free(before);
        return 0;
}

/* ---- reading it again ---- */

static void keys_free(struct keys *k)
{
        if (!k->closed || !k->gone || k->asking)
                return;
        free(k->list);
        free(k);
}

static void on_keys_listed(json_t *rows, const struct problem *why, void *arg)
{
        struct keys *k = (struct keys *)arg;
        k->asking = false;
        if (k->closed) {
                keys_free(k);
                return;
        }
        if (why && !k->away)
                log_warn("gateway", "keys can't be read, those count that were known: %s", why->text);
        k->away = why;
        if (!why)
                keys_take(k, rows);
}

static void on_keys_timer(uv_timer_t *timer)
{
        struct keys *k = (struct keys *)timer->data;
        if (k->asking)
                return;
        k->asking = true;
        k->store->access->key_list(k->store, on_keys_listed, k);
}

static void on_keys_timer_closed(uv_handle_t *handle)
{
        struct keys *k = (struct keys *)handle->data;
        k->gone = true;
        keys_free(k);
}

void keys_close(struct keys *k)
{
        if (!k)
                return;
        k->closed = true;
        issuer_close(k->issuer);
        k->issuer = NULL;
        uv_close((uv_handle_t *)&k->timer, on_keys_timer_closed);
}

/* ---- reading it first, on a loop of its own: the gateway's may be turning, and must not be turned from inside ---- */

struct keys_first {
        json_t *rows;
        struct problem why;
        bool failed, done, late;
};

static void on_keys_first(json_t *rows, const struct problem *why, void *arg)
{
        struct keys_first *f = (struct keys_first *)arg;
        f->done = true;
        f->failed = why;
        f->rows = json_incref(rows);
        if (why)
                f->why = *why;
}

static void on_keys_late(uv_timer_t *timer)
{
        ((struct keys_first *)timer->data)->late = true;
}

static int keys_ask_first(uv_loop_t *loop, const struct gateway_config *config, struct keys_first *f,
                          struct problem *why)
{
        const struct store_config store_config = { .loop = loop,
                                                   .url = config->store_url,
                                                   .owner = config->name,
                                                   .connect_timeout_ms = config->connect_timeout_ms };
        uv_timer_t timer;
        struct store *store;
        const int code = store_open(&store, &store_config, why);
        if (code)
                return code;
        uv_timer_init(loop, &timer);
        timer.data = f;
        uv_timer_start(&timer, on_keys_late, config->connect_timeout_ms ? config->connect_timeout_ms : KEYS_WAIT_MS, 0);
        store->access->key_list(store, on_keys_first, f);
        while (!f->done && !f->late)
                uv_run(loop, UV_RUN_ONCE);
        uv_close((uv_handle_t *)&timer, NULL);
        store->backend->close(store);
        uv_run(loop, UV_RUN_DEFAULT);
        if (f->done && !f->failed)
                return 0;
        return problem_set(why, "store", "unreachable", "the store does not say which keys there are: %s",
                           f->late ? "it takes too long" : f->why.text);
}

static int keys_load(struct keys *k, const struct gateway_config *config, struct problem *why)
{
        struct keys_first first = { 0 };
        uv_loop_t loop;
        uv_loop_init(&loop);
        int code = keys_ask_first(&loop, config, &first, why);
        uv_run(&loop, UV_RUN_DEFAULT);
        uv_loop_close(&loop);
        if (code == 0)
                code = keys_take(k, first.rows);
        json_decref(first.rows);
        return code;
}

/* ---- opening ---- */

static bool keys_any(const struct keys *k)
{
        for (size_t i = 0; i < k->count; i++)
                if (!k->list[i].revoked)
                        return true;
        return false;
}

static int keys_check(struct keys *k, const char *listen, struct problem *why)
{
        char address[64], port[8];
        k->reached = listen_parts(listen, address, port) && !host_is_loopback(address);
        if (!k->reached || keys_any(k) || k->issuer)
                return 0;
        return problem_set(
                why, "gateway", "no_keys",
                "others can reach %s, and there is no key yet: make one with `chard key add NAME`, or listen on "
                "127.0.0.1:%s",
                listen, port);
}

static int keys_open_issuer(struct keys *k, const struct gateway_config *config, struct problem *why)
{
        const struct issuer_config issuer = { .name = config->oidc_issuer,
                                              .keys_url = config->oidc_keys_url,
                                              .audience = config->oidc_audience,
                                              .scope_claim = config->oidc_scope_claim,
                                              .ca_file = config->oidc_ca_file };
        return config->oidc_issuer ? issuer_open(&k->issuer, config->loop, &issuer, why) : 0;
}

int keys_open(struct keys **out, const struct gateway_config *config, struct store *store, struct problem *why)
{
        struct keys *k = calloc(1, sizeof(*k));
        if (!k)
                return -ENOMEM;
        k->store = store;
        int code = keys_load(k, config, why);
        if (code == 0)
                code = keys_open_issuer(k, config, why);
        if (code == 0)
                code = keys_check(k, config->listen, why);
        if (code) {
                issuer_close(k->issuer);
                free(k->list);
                free(k);
                return code;
        }
        uv_timer_init(config->loop, &k->timer);
        k->timer.data = k;
        uv_timer_start(&k->timer, on_keys_timer, KEYS_EVERY_MS, KEYS_EVERY_MS);
        uv_unref((uv_handle_t *)&k->timer);
        *out = k;
        return 0;
}

bool keys_asked(const struct keys *k)
{
        return k->reached || k->count > 0 || k->issuer;
}

unsigned keys_revision(const struct keys *k)
{
        return k->revision + (k->issuer ? (unsigned)(clock_wall_ms() / 1000) : 0);
}

bool keys_count(const struct keys *k, const struct exchange *x)
{
        const int64_t until_s = exchange_who_until(x);
        if (until_s)
                return clock_wall_ms() / 1000 < until_s;
        const struct gateway_key *key = keys_find(k, exchange_who(x));
        return keys_asked(k) ? key && !key->revoked : true;
}

/* ---- a request ---- */

static int keys_refuse(struct exchange *x, const char *challenge)
{
        exchange_add_header(x, "WWW-Authenticate", challenge);
        return 1;
}

static int keys_refuse_wrong(struct exchange *x, struct problem *why)
{
        problem_set(why, "request", "wrong_key", "there is no such key here, or it was revoked");
        return keys_refuse(x, "Bearer error=\"invalid_token\"");
}

static int keys_refuse_expired(struct exchange *x, struct problem *why)
{
        problem_set(why, "request", "expired", "this token has expired: get a new one");
        return keys_refuse(x, "Bearer error=\"invalid_token\"");
}

void keys_dismiss(struct exchange *x)
{
        struct problem why;
        if (exchange_who_until(x))
                keys_refuse_expired(x, &why);
        else
                keys_refuse_wrong(x, &why);
        exchange_answer_problem(x, &why);
}

/* One request more of its minute. 1 with `why` where it has none left. */
static int keys_spend(struct gateway_key *key, struct exchange *x, uint64_t now_ms, struct problem *why)
{
        char text[64];
        if (!key->rate)
                return 0;
        if (!key->window_ms || now_ms - key->window_ms >= KEYS_WINDOW_MS) {
                key->window_ms = now_ms;
                key->used = 0;
        }
        const bool left = key->used < key->rate;
        const unsigned wait_s = (unsigned)((key->window_ms + KEYS_WINDOW_MS - now_ms + 999) / 1000);
        key->used += left;
        snprintf(text, sizeof(text), "\"key\";q=%u;w=%d", key->rate, KEYS_WINDOW_MS / 1000);
        exchange_add_header(x, "RateLimit-Policy", text);
        snprintf(text, sizeof(text), "\"key\";r=%u;t=%u", key->rate - key->used, wait_s);
        exchange_add_header(x, "RateLimit", text);
        if (left)
                return 0;
        snprintf(text, sizeof(text), "%u", wait_s);
        exchange_add_header(x, "Retry-After", text);
        return problem_set(why, "request", "too_many", "this key may send %u requests a minute; it may again in %u s",
                           key->rate, wait_s);
}

static int keys_allow(unsigned scopes, struct exchange *x, unsigned scope, struct problem *why)
{
        char has[API_SCOPES_SIZE], needs[API_SCOPES_SIZE], challenge[80];
        if (api_scopes_allow(scopes, scope))
                return 0;
        api_scopes_write(scopes, has);
        api_scopes_write(scope, needs);
        problem_set(why, "request", "no_scope", "this needs a key with the scope %s; this one has %s", needs,
                    *has ? has : "none");
        snprintf(challenge, sizeof(challenge), "Bearer error=\"insufficient_scope\", scope=\"%s\"", needs);
        return keys_refuse(x, challenge);
}

/* What stands behind "Bearer ", where it is no key of chard's; or NULL. */
static const char *keys_token(const char *header)
{
        static const char scheme[] = "Bearer ";
        if (!header || strncasecmp(header, scheme, sizeof(scheme) - 1) != 0)
                return NULL;
        const char *token = header + sizeof(scheme) - 1;
        token += strspn(token, " ");
        return strncmp(token, "chard_", 6) != 0 ? token : NULL;
}

static int keys_admit_token(struct keys *k, struct exchange *x, const char *token, unsigned scope, struct problem *why)
{
        struct token_holder holder;
        const int code = issuer_check(k->issuer, token, &holder, why);
        if (code < 0)
                return problem_set(why, "gateway", "out_of_memory", "out of memory");
        if (code)
                return code == TOKEN_UNKNOWN_KEY ? 1 : keys_refuse(x, "Bearer error=\"invalid_token\"");
        exchange_set_who(x, holder.who);
        exchange_set_who_until(x, holder.until_s);
        return keys_allow(holder.scopes, x, scope, why);
}

int keys_admit(struct keys *k, struct exchange *x, unsigned scope, struct problem *why)
{
        char text[API_KEY_SIZE], id[API_KEY_ID_SIZE], digest[DIGEST_TEXT_SIZE];
        const char *header = exchange_header(x, "Authorization"), *token = k->issuer ? keys_token(header) : NULL;
        if (token)
                return keys_admit_token(k, x, token, scope, why);
        if (api_key_read(header, text, id, why))
                return keys_refuse(x, header ? "Bearer error=\"invalid_token\"" : "Bearer");
        if (!api_key_digest(text, digest))
                return problem_set(why, "gateway", "out_of_memory", "out of memory");
        struct gateway_key *key = keys_find(k, id);
        if (!key || !api_key_same(digest, key->digest) || key->revoked) {
                return keys_refuse_wrong(x, why);
        }
        exchange_set_who(x, key->id);
        if (keys_spend(key, x, clock_mono_ms(), why))
                return 1;
        return keys_allow(key->scopes, x, scope, why);
}
