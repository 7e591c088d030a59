/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/redis.h"

#include "core/clock.h"
#include "core/json.h"
#include "results/redis_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASKING, LISTENING };

/* ---- what it is, before anything is connected ---- */

static char *redis_where(const struct redis_address *a)
{
        char *text = NULL;
        int size;
        if (a->master)
                size = asprintf(&text, "Redis (%s by its sentinels)", a->master);
        else if (a->path)
                size = asprintf(&text, "Redis at %s", a->path);
        else
                size = asprintf(&text, "Redis at %s:%s", a->hosts[0].name, a->hosts[0].port);
        return size < 0 ? NULL : text;
}

/* Each link takes one. */
static int redis_read_addresses(struct lib_redis *r, const char *url, struct chard_error *why)
{
        struct problem problem = { 0 };
        int rc = redis_address_read(url, &r->addresses[ASKING], &problem);
        if (rc == 0)
                rc = redis_address_read(url, &r->addresses[LISTENING], &problem);
        if (rc > 0)
                return lib_fail(why, CHARD_BAD_ARGUMENT, "bad_url", "results: %s", problem.text);
        if (rc == 0) {
                const char *prefix = r->addresses[ASKING].prefix;
                r->where = redis_where(&r->addresses[ASKING]);
                r->prefix = strdup(prefix ? prefix : "");
        }
        return r->where && r->prefix ? CHARD_OK : lib_no_memory(why);
}

int lib_redis_new(struct lib_redis **out, const char *url, unsigned expires_s, struct chard_error *why)
{
        struct lib_redis *r = calloc(1, sizeof(*r));
        *out = r;
        if (!r)
                return lib_no_memory(why);
        r->asked_end = &r->asked;
        snprintf(r->expires, sizeof(r->expires), "%u", expires_s);
        return redis_read_addresses(r, url, why);
}

void lib_redis_free(struct lib_redis *r)
{
        if (!r)
                return;
        redis_address_free(&r->addresses[ASKING]);
        redis_address_free(&r->addresses[LISTENING]);
        free(r->where);
        free(r->prefix);
        free(r);
}

/* ---- commands: a caller's thread asks, and waits for the answer ---- */

/* What is asked. Its caller's, who waits until it is answered. */
struct question {
        struct question *next;
        struct chard *client;
        const struct bytes *words;
        size_t count;
        struct buffer *text; /* where a reply that is a text goes; or NULL */
        struct chard_error *why;
        int code;
        bool answered;
};

static bool redis_denies_access(const char *said)
{
        return strncmp(said, "NOPERM", 6) == 0 || strncmp(said, "WRONGPASS", 9) == 0 || strstr(said, "AUTH");
}

int lib_redis_check(const struct lib_redis *r, const struct redis_link *link, const redisReply *reply,
                    struct chard_error *why)
{
        bool refused = true;
        if (reply && reply->type != REDIS_REPLY_ERROR)
                return CHARD_OK;
        if (!reply && redis_link_closed(link))
                return lib_fail(why, CHARD_UNCERTAIN, "closed", "the handle is being closed");
        const char *said = reply ? reply->str : redis_link_why(link, &refused);
        if (!refused)
                return lib_fail(why, CHARD_UNREACHABLE, "unreachable", "%s: %s", r->where, said);
        if (redis_denies_access(said))
                return lib_fail(why, CHARD_ACCESS, "access_refused", "%s: %s", r->where, said);
        return lib_fail(why, CHARD_REFUSED, "refused", "%s: %s", r->where, said);
}

/* It is gone once that is seen. */
static void question_answer(struct question *q, int code)
{
        struct chard *c = q->client;
        pthread_mutex_lock(&c->lock);
        q->code = code;
        q->answered = true;
        pthread_cond_broadcast(&c->changed);
        pthread_mutex_unlock(&c->lock);
}

static void on_question_answered(redisReply *reply, void *arg)
{
        struct question *q = (struct question *)arg;
        const struct lib_redis *r = q->client->redis;
        int code = lib_redis_check(r, r->asking, reply, q->why);
        if (code == CHARD_OK && q->text && reply->type == REDIS_REPLY_STRING)
                buffer_add(q->text, reply->str, reply->len);
        if (q->text && q->text->failed)
                code = lib_no_memory(q->why);
        question_answer(q, code);
}

static int question_ask(struct chard *c, const struct bytes words[], size_t count, struct buffer *text,
                        struct chard_error *why)
{
        struct question q = { .client = c, .words = words, .count = count, .text = text, .why = why };
        pthread_mutex_lock(&c->lock);
        if (c->state == CLIENT_OPEN) {
                *c->redis->asked_end = &q;
                c->redis->asked_end = &q.next;
                uv_async_send(&c->wake);
                while (!q.answered)
                        client_wait(c, 0);
        } else {
                q.code = lib_fail(why, CHARD_UNCERTAIN, "closed", "the handle is being closed");
        }
        pthread_mutex_unlock(&c->lock);
        return q.code;
}

void lib_redis_flush(struct chard *c)
{
        struct lib_redis *r = c->redis;
        pthread_mutex_lock(&c->lock);
        struct question *q = r->asked;
        r->asked = NULL;
        r->asked_end = &r->asked;
        pthread_mutex_unlock(&c->lock);
        while (q) {
                struct question *next = q->next;
                if (redis_link_send(r->asking, q->words, q->count, on_question_answered, q) != 0)
                        question_answer(q, lib_no_memory(q->why));
                q = next;
        }
        listen_update(c);
}

/* ---- connecting ---- */

static int redis_open_link(struct chard *c, bool listens, struct redis_link **out, struct chard_error *why)
{
        struct problem problem = { 0 };
        const struct redis_link_config config = {
                .loop = &c->loop,
                .connect_timeout_ms = c->config.connect_timeout_ms,
                .on_demand = true,
                .heard = listens ? listen_heard : NULL,
                .lost = listens ? listen_lost : NULL,
                .arg = c,
        };
        const int rc = redis_link_open(out, &config, &c->redis->addresses[listens ? LISTENING : ASKING], &problem);
        if (rc < 0)
                return lib_no_memory(why);
        return rc > 0 ? lib_fail(why, CHARD_BAD_ARGUMENT, "bad_url", "results: %s", problem.text) : CHARD_OK;
}

/* A user may be forbidden to PING; that is an answer as well. */
static void on_redis_greeted(redisReply *reply, void *arg)
{
        struct question *q = (struct question *)arg;
        const struct lib_redis *r = q->client->redis;
        question_answer(q, reply ? CHARD_OK : lib_redis_check(r, r->asking, NULL, q->why));
}

int lib_redis_start(struct chard *c, struct chard_error *why)
{
        struct lib_redis *r = c->redis;
        const struct bytes ping = bytes_of_string("PING");
        struct question q = { .client = c, .why = why };
        int code = redis_open_link(c, false, &r->asking, why);
        if (code == CHARD_OK)
                code = redis_open_link(c, true, &r->listening, why);
        if (code != CHARD_OK)
                return code;
        if (redis_link_send(r->asking, &ping, 1, on_redis_greeted, &q) != 0)
                return lib_no_memory(why);
        while (!q.answered)
                uv_run(&c->loop, UV_RUN_ONCE);
        return q.code;
}

void lib_redis_stop(struct chard *c)
{
        struct lib_redis *r = c->redis;
        if (r->asking)
                redis_link_close(r->asking);
        if (r->listening)
                redis_link_close(r->listening);
        r->asking = r->listening = NULL;
        listen_stop(c);
}

/* ---- what is asked ---- */

/* "celery-task-meta-ID" and the like, under the prefix of all keys. */
static void redis_add_key(const struct chard *c, const char *kind, const char *id, const char *end, struct buffer *out)
{
        buffer_addf(out, "%s%s%s%s", c->redis->prefix, kind, id, end);
}

/* SET it for as long as results are kept. */
static int chord_keep(struct chard *c, const char *group_id, const char *end, const char *value,
                      struct chard_error *why)
{
        struct buffer key = { 0 };
        redis_add_key(c, REDIS_GROUP_KEY, group_id, end, &key);
        const struct bytes words[] = { bytes_of_string("SET"), buffer_view(&key), bytes_of_string(value),
                                       bytes_of_string("EX"), bytes_of_string(c->redis->expires) };
        const int code = key.failed ? lib_no_memory(why) : question_ask(c, words, 5, NULL, why);
        buffer_free(&key);
        return code;
}

static int chord_forget(struct chard *c, const char *group_id, const char *end, struct chard_error *why)
{
        struct buffer key = { 0 };
        redis_add_key(c, REDIS_GROUP_KEY, group_id, end, &key);
        const struct bytes words[] = { bytes_of_string("DEL"), buffer_view(&key) };
        const int code = key.failed ? lib_no_memory(why) : question_ask(c, words, 2, NULL, why);
        buffer_free(&key);
        return code;
}

static int chord_keep_tree(struct chard *c, const char *group_id, const json_t *tree, struct chard_error *why)
{
        JSON_OWNED json_t *saved = json_pack("{s:O}", "result", tree);
        char *text = saved ? json_dumps(saved, JSON_COMPACT) : NULL;
        const int code = text ? chord_keep(c, group_id, "", text, why) : lib_no_memory(why);
        free(text);
        return code;
}

int lib_redis_chord(struct chard *c, const char *group_id, json_int_t size, const json_t *tree, struct chard_error *why)
{
        char count[24];
        snprintf(count, sizeof(count), "%lld", (long long)size);
        int code = tree ? chord_keep_tree(c, group_id, tree, why) : CHARD_OK;
        if (code == CHARD_OK)
                code = chord_forget(c, group_id, ".c", why);
        return code == CHARD_OK ? chord_keep(c, group_id, ".s", count, why) : code;
}

/* CHARD_OK and the result; or CHARD_TIMED_OUT when it isn't there or isn't final yet. */
static int result_look(struct chard *c, struct bytes key, json_t **meta, struct chard_error *why)
{
        const struct bytes words[] = { bytes_of_string("GET"), key };
        struct buffer text = { 0 };
        int code = question_ask(c, words, 2, &text, why);
        if (code == CHARD_OK) {
                *meta = json_loadb((const char *)text.data, text.size, 0, NULL);
                code = result_is_final(*meta) ? CHARD_OK : CHARD_TIMED_OUT;
        }
        if (code != CHARD_OK) {
                json_decref(*meta);
                *meta = NULL;
        }
        buffer_free(&text);
        return code;
}

/* Each time that something is published, look what is there. */
static int result_await(struct chard *c, struct bytes key, uint64_t until_ms, json_t **meta, struct chard_error *why)
{
        unsigned heard = 0;
        int code = CHARD_TIMED_OUT;
        pthread_mutex_lock(&c->lock);
        struct listener *l = listen_begin(c, key);
        while (l && code == CHARD_TIMED_OUT) {
                const int woken = listen_wait(c, l, &heard, until_ms, why);
                pthread_mutex_unlock(&c->lock);
                code = woken == CHARD_OK ? result_look(c, key, meta, why) : woken;
                pthread_mutex_lock(&c->lock);
                if (woken != CHARD_OK)
                        break;
        }
        if (l)
                listen_end(c, l);
        pthread_mutex_unlock(&c->lock);
        return l ? code : lib_no_memory(why);
}

int lib_redis_result(struct chard *c, const char *id, uint64_t until_ms, json_t **meta, struct chard_error *why)
{
        struct buffer key = { 0 };
        *meta = NULL;
        redis_add_key(c, REDIS_TASK_KEY, id, "", &key);
        int code = key.failed ? lib_no_memory(why) : result_look(c, buffer_view(&key), meta, why);
        if (code == CHARD_TIMED_OUT && (until_ms == 0 || clock_mono_ms() < until_ms))
                code = result_await(c, buffer_view(&key), until_ms, meta, why);
        buffer_free(&key);
        return code;
}
