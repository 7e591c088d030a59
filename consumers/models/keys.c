/* SPDX-License-Identifier: Apache-2.0 */
#include "consumers/models/keys.h"

#include "core/arena.h"
#include "redis/script.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* KEYS the hash; ARGV part, version, document or "". Answers whether it was written. */
static const char keys_script[] = "local old = redis.call('HGET', KEYS[1], ARGV[1] .. ':version') "
                                  "if old and tonumber(old) >= tonumber(ARGV[2]) then return 0 end "
                                  "redis.call('HSET', KEYS[1], ARGV[1] .. ':version', ARGV[2]) "
                                  "if ARGV[3] == '' then redis.call('HDEL', KEYS[1], ARGV[1]) "
                                  "else redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end "
                                  "return 1";

struct keys_call {
        struct redis_link *link;
        size_t left;
        bool failed; /* with `why` */
        struct problem why;
        models_done *done;
        void *arg;
};

/* One that is on its way. */
struct keys_sent {
        struct keys_call *call;
        struct keys_item *item;
};

static void keys_release(struct keys_call *c)
{
        if (--c->left > 0)
                return;
        c->done(c->failed ? &c->why : NULL, c->arg);
        free(c);
}

static void keys_fail(struct keys_call *c, const char *said)
{
        c->failed = true;
        problem_set(&c->why, "models", "away", "Redis: %.300s", said);
}

/* What the key is already can't be mended by waiting; the rest of its errors may be. */
static void keys_judge(struct keys_sent *sent, const redisReply *reply)
{
        struct keys_item *item = sent->item;
        if (reply->type == REDIS_REPLY_INTEGER) {
                item->end = reply->integer ? MODEL_WRITTEN : MODEL_NEWER;
                return;
        }
        if (reply->type != REDIS_REPLY_ERROR || !strstr(reply->str, "WRONGTYPE")) {
                keys_fail(sent->call, reply->type == REDIS_REPLY_ERROR ? reply->str : "it answers what is no number");
                return;
        }
        item->end = MODEL_REFUSED;
        problem_set(&item->why, "models", "wrong_type", "the key %.60s:%.120s is no hash", item->model, item->id);
}

static void keys_on_answer(redisReply *reply, void *arg)
{
        struct keys_sent sent = *(struct keys_sent *)arg;
        bool refused;
        free(arg);
        if (reply)
                keys_judge(&sent, reply);
        else
                keys_fail(sent.call, redis_link_why(sent.call->link, &refused));
        keys_release(sent.call);
}

static int keys_send(struct keys_call *c, struct keys_item *item)
{
        char version[24];
        struct arena arena = { 0 };
        struct keys_sent *sent = malloc(sizeof(*sent));
        const char *key = arena_printf(&arena, "%s%s:%s", redis_link_prefix(c->link), item->model, item->id);
        int rc = -1;
        snprintf(version, sizeof(version), "%" PRId64, item->version);
        if (sent && key) {
                *sent = (struct keys_sent){ c, item };
                const struct bytes keys[] = { bytes_of_string(key) };
                const struct bytes args[] = { bytes_of_string(*item->part ? item->part : "all"),
                                              bytes_of_string(version), item->body };
                const struct redis_script_call call = {
                        .script = keys_script, .keys = keys, .args = args, .key_count = 1, .arg_count = 3
                };
                rc = redis_script_send(c->link, &call, keys_on_answer, sent);
        }
        arena_free(&arena);
        if (rc != 0)
                free(sent);
        return rc;
}

void keys_write(struct redis_link *link, struct keys_item *items, size_t count, models_done *done, void *arg)
{
        struct keys_call *c = calloc(1, sizeof(*c));
        struct problem why;
        if (!c) {
                problem_set(&why, "models", "away", "out of memory");
                done(&why, arg);
                return;
        }
        *c = (struct keys_call){ .link = link, .left = 1, .done = done, .arg = arg };
        for (size_t i = 0; i < count && !c->failed; i++) {
                c->left++;
                if (keys_send(c, &items[i]) == 0)
                        continue;
                c->left--;
                keys_fail(c, "out of memory");
        }
        keys_release(c);
}
