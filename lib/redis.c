/* SPDX-License-Identifier: Apache-2.0 */
/* Redis as celery.backends.redis uses it, as much as a client needs: reading and awaiting results, and a chord's size. hiredis's blocking
 * calls do, because whoever calls here waits anyway. */
#include "core/bytes.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/net/dial.h"
#include "lib/lib.h"
#include "redis/address.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TURN_MS = 200, LONGEST_PREFIX = 128, KEY_SIZE = 512 };

#define TASK_KEY  "celery-task-meta-"
#define GROUP_KEY "celery-taskset-meta-"

struct lib_redis {
        struct redis_address at; /* one server by name and port */
        unsigned connect_timeout_ms, expires_s;
        redisContext *context; /* for short questions */
};

/* ---- talking ---- */

/* hiredis writes to sockets that may be closed: a caller's process must not get that signal. */
struct guard {
        sigset_t pipe, before;
        bool pending;
};

static void guard_begin(struct guard *g)
{
        sigset_t now;
        sigemptyset(&g->pipe);
        sigaddset(&g->pipe, SIGPIPE);
        sigpending(&now);
        g->pending = sigismember(&now, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &g->pipe, &g->before);
}

static void guard_end(const struct guard *g)
{
        const struct timespec none = { 0, 0 };
        if (!g->pending)
                while (sigtimedwait(&g->pipe, NULL, &none) < 0 && errno == EINTR)
                        ;
        pthread_sigmask(SIG_SETMASK, &g->before, NULL);
}

static int away(const struct lib_redis *r, const redisContext *context, struct chard_error *why)
{
        return lib_fail(why, CHARD_UNREACHABLE, "unreachable", "Redis at %s:%s: %s", r->at.hosts[0].name,
                        r->at.hosts[0].port, context && context->errstr[0] ? context->errstr : "the connection failed");
}

/* A reply must be freed; an error reply or a lost connection is a failure. */
static int check(const struct lib_redis *r, redisContext *context, redisReply *reply, struct chard_error *why)
{
        if (!reply)
                return away(r, context, why);
        if (reply->type != REDIS_REPLY_ERROR)
                return CHARD_OK;
        const bool access = strncmp(reply->str, "NOAUTH", 6) == 0 || strncmp(reply->str, "WRONGPASS", 9) == 0 ||
                            strncmp(reply->str, "NOPERM", 6) == 0 || strstr(reply->str, "AUTH") != NULL;
        return lib_fail(why, access ? CHARD_ACCESS : CHARD_REFUSED, access ? "access_refused" : "refused",
                        "Redis at %s:%s: %s", r->at.hosts[0].name, r->at.hosts[0].port, reply->str);
}

static int command(const struct lib_redis *r, redisContext *context, const char *const words[], int count,
                   redisReply **out, struct chard_error *why)
{
        struct guard guard;
        guard_begin(&guard);
        redisReply *reply = redisCommandArgv(context, count, (const char **)words, NULL);
        guard_end(&guard);
        const int code = check(r, context, reply, why);
        if (out && code == CHARD_OK)
                *out = reply;
        else if (reply)
                freeReplyObject(reply);
        return code;
}

static int greet(const struct lib_redis *r, redisContext *context, struct chard_error *why)
{
        const char *const with_user[] = { "AUTH", r->at.user, r->at.password }, *const without[] = { "AUTH",
                                                                                                     r->at.password };
        int code = CHARD_OK;
        if (r->at.user && r->at.password)
                code = command(r, context, with_user, 3, NULL, why);
        else if (r->at.password)
                code = command(r, context, without, 2, NULL, why);
        const char *const select[] = { "SELECT", r->at.db };
        if (code == CHARD_OK && r->at.db)
                code = command(r, context, select, 2, NULL, why);
        return code;
}

/* Over whichever of its addresses answers. *out is NULL when none does. */
static int dial_redis(const struct lib_redis *r, redisContext **out, struct chard_error *why)
{
        struct dialled d;
        const struct redis_host *h = &r->at.hosts[0];
        *out = NULL;
        if (dial(h->name, h->port, r->connect_timeout_ms, -1, &d) != 0)
                return lib_fail(why, CHARD_UNREACHABLE, "unreachable", "Redis at %s:%s: %s", h->name, h->port, d.why);
        fcntl(d.fd, F_SETFL, fcntl(d.fd, F_GETFL) & ~O_NONBLOCK);
        *out = redisConnectFd(d.fd);
        if (*out)
                return CHARD_OK;
        close(d.fd);
        return lib_no_memory(why);
}

static int connect_to(const struct lib_redis *r, redisContext **out, struct chard_error *why)
{
        const struct timeval limit = { r->connect_timeout_ms / 1000, (r->connect_timeout_ms % 1000) * 1000L };
        redisContext *context;
        int code = dial_redis(r, &context, why);
        *out = NULL;
        if (code == CHARD_OK) {
                redisSetTimeout(context, limit);
                code = greet(r, context, why);
        }
        if (code == CHARD_OK)
                *out = context;
        else if (context)
                redisFree(context);
        return code;
}

/* A question that may be repeated, once more over a new connection when the old one is dead. */
static int ask(struct lib_redis *r, const char *const words[], int count, redisReply **out, struct chard_error *why)
{
        int code = CHARD_UNREACHABLE;
        for (unsigned tries = 0; tries < 2 && code == CHARD_UNREACHABLE; tries++) {
                code = r->context ? CHARD_OK : connect_to(r, &r->context, why);
                if (code != CHARD_OK)
                        return code;
                code = command(r, r->context, words, count, out, why);
                if (code == CHARD_UNREACHABLE) {
                        redisFree(r->context);
                        r->context = NULL;
                }
        }
        return code;
}

/* What the workers reach in more ways than hiredis's blocking calls do here. */
static bool can_reach(const struct redis_address *a)
{
        return !a->tls.on && !a->path && !a->master && (!a->prefix || strlen(a->prefix) <= LONGEST_PREFIX);
}

static int open_at(struct lib_redis *r, const char *url, struct chard_error *why)
{
        struct problem problem = { 0 };
        const int rc = redis_address_read(url, &r->at, &problem);
        if (rc < 0)
                return lib_no_memory(why);
        if (rc > 0)
                return lib_fail(why, CHARD_BAD_ARGUMENT, "bad_url", "results: %s", problem.text);
        if (!can_reach(&r->at))
                return lib_fail(why, CHARD_BAD_ARGUMENT, "bad_url",
                                "results: not of the form redis://[[user]:password@]host[:port][/db]");
        return connect_to(r, &r->context, why);
}

/* "celery-task-meta-ID" and the like, under the prefix of all keys. */
static void key_of(const struct lib_redis *r, const char *kind, const char *id, const char *end, char out[KEY_SIZE])
{
        snprintf(out, KEY_SIZE, "%s%s%s%s", r->at.prefix ? r->at.prefix : "", kind, id, end);
}

int lib_redis_open(struct lib_redis **out, const char *url, unsigned connect_timeout_ms, unsigned expires_s,
                   struct chard_error *why)
{
        struct lib_redis *r = calloc(1, sizeof(*r));
        *out = r;
        if (!r)
                return lib_no_memory(why);
        r->connect_timeout_ms = connect_timeout_ms;
        r->expires_s = expires_s;
        const int code = open_at(r, url, why);
        if (code != CHARD_OK) {
                lib_redis_close(r);
                *out = NULL;
        }
        return code;
}

void lib_redis_close(struct lib_redis *r)
{
        if (!r)
                return;
        if (r->context)
                redisFree(r->context);
        redis_address_free(&r->at);
        free(r);
}

/* ---- what is asked ---- */

static int save_tree(struct lib_redis *r, const char *group_id, const json_t *tree, struct chard_error *why)
{
        char key[KEY_SIZE], expires[16];
        char *text = NULL;
        JSON_OWNED json_t *saved = json_pack("{s:O}", "result", tree);
        text = saved ? json_dumps(saved, JSON_COMPACT) : NULL;
        if (!text)
                return lib_no_memory(why);
        key_of(r, GROUP_KEY, group_id, "", key);
        snprintf(expires, sizeof(expires), "%u", r->expires_s);
        const char *const set[] = { "SET", key, text, "EX", expires };
        const int code = ask(r, set, 5, NULL, why);
        free(text);
        return code;
}

int lib_redis_chord(struct lib_redis *r, const char *group_id, json_int_t size, const json_t *tree,
                    struct chard_error *why)
{
        char done[KEY_SIZE], sizes[KEY_SIZE], count[24], expires[16];
        key_of(r, GROUP_KEY, group_id, ".c", done);
        key_of(r, GROUP_KEY, group_id, ".s", sizes);
        snprintf(count, sizeof(count), "%lld", (long long)size);
        snprintf(expires, sizeof(expires), "%u", r->expires_s);
        const char *const forget[] = { "DEL", done }, *const set[] = { "SET", sizes, count, "EX", expires };
        int code = tree ? save_tree(r, group_id, tree, why) : CHARD_OK;
        if (code == CHARD_OK)
                code = ask(r, forget, 2, NULL, why);
        return code == CHARD_OK ? ask(r, set, 5, NULL, why) : code;
}

/* CHARD_OK and the text, or CHARD_TIMED_OUT when it isn't there or isn't final yet. */
static int take(const struct lib_redis *r, redisContext *context, const char *key, char **text, struct chard_error *why)
{
        redisReply *reply = NULL;
        const char *const get[] = { "GET", key };
        int code = command(r, context, get, 2, &reply, why);
        if (code != CHARD_OK)
                return code;
        json_t *meta = reply->type == REDIS_REPLY_STRING ? json_loadb(reply->str, reply->len, 0, NULL) : NULL;
        code = CHARD_TIMED_OUT;
        if (result_is_final(meta)) {
                *text = strndup(reply->str, reply->len);
                code = *text ? CHARD_OK : lib_no_memory(why);
        }
        json_decref(meta);
        freeReplyObject(reply);
        return code;
}

/* Wait for something to be published on the subscribed connection: CHARD_OK, CHARD_TIMED_OUT after a turn, or a failure. */
static int hear(const struct lib_redis *r, redisContext *context, long turn_ms, struct chard_error *why)
{
        const struct timeval turn = { turn_ms / 1000, (turn_ms % 1000) * 1000L };
        void *reply = NULL;
        redisSetTimeout(context, turn);
        if (redisGetReply(context, &reply) == REDIS_OK) {
                freeReplyObject(reply);
                return CHARD_OK;
        }
        if (context->err != REDIS_ERR_IO || (errno != EAGAIN && errno != EWOULDBLOCK))
                return away(r, context, why);
        context->err = 0; /* only the time was up */
        context->errstr[0] = '\0';
        return CHARD_TIMED_OUT;
}

static long left_of(uint64_t until_ms, long timeout_ms)
{
        const uint64_t now = clock_mono_ms();
        if (timeout_ms < 0 || until_ms > now + TURN_MS)
                return TURN_MS;
        return until_ms > now ? (long)(until_ms - now) : 0;
}

/* Two connections: one hears that something was published, the other asks what is there. */
struct waiting {
        const struct lib_redis *redis;
        redisContext *listening, *asking;
        const char *key;
        long timeout_ms;
        bool (*go_on)(void *arg);
        void *arg;
};

/* Until something was published: CHARD_OK, CHARD_TIMED_OUT, CHARD_UNCERTAIN, or a failure. */
static int hear_any(const struct waiting *w, uint64_t until_ms, struct chard_error *why)
{
        int code;
        do {
                const long left = left_of(until_ms, w->timeout_ms);
                if (left == 0)
                        return CHARD_TIMED_OUT;
                if (!w->go_on(w->arg))
                        return CHARD_UNCERTAIN;
                code = hear(w->redis, w->listening, left, why);
        } while (code == CHARD_TIMED_OUT);
        return code;
}

static int await(const struct waiting *w, char **text, struct chard_error *why)
{
        const uint64_t until_ms = clock_mono_ms() + (w->timeout_ms > 0 ? (uint64_t)w->timeout_ms : 0);
        int code = take(w->redis, w->asking, w->key, text, why);
        while (code == CHARD_TIMED_OUT) {
                code = hear_any(w, until_ms, why);
                if (code != CHARD_OK)
                        return code;
                code = take(w->redis, w->asking, w->key, text, why);
        }
        return code;
}

int lib_redis_result(const struct lib_redis *r, const char *id, long timeout_ms, bool (*go_on)(void *arg), void *arg,
                     char **text, struct chard_error *why)
{
        char key[KEY_SIZE];
        struct waiting w = { r, NULL, NULL, key, timeout_ms, go_on, arg };
        key_of(r, TASK_KEY, id, "", key);
        const char *const subscribe[] = { "SUBSCRIBE", key };
        int code = connect_to(r, &w.asking, why);
        if (code == CHARD_OK)
                code = take(r, w.asking, key, text, why);
        if (code == CHARD_TIMED_OUT && timeout_ms != 0) {
                code = connect_to(r, &w.listening, why);
                if (code == CHARD_OK)
                        code = command(r, w.listening, subscribe, 2, NULL, why);
                if (code == CHARD_OK)
                        code = await(&w, text, why);
        }
        if (w.asking)
                redisFree(w.asking);
        if (w.listening)
                redisFree(w.listening);
        return code;
}
